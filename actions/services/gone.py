"""Keeps the names of what is deleted while deliveries still carry its key."""

from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce

from actions.models import Action, GoneObject
from connectors.models import Connector

Kind = GoneObject.Kind


def remember_action(row: Action) -> None:
    """Keep the id and name of an action that is being deleted."""
    GoneObject.objects.create(
        kind=Kind.ACTION, key=row.pk, space_id=row.space_id, public_id=row.public_id, name=row.name
    )


def remember_connector(row: Connector) -> None:
    """Keep the id, name and type of a connector that is being deleted."""
    GoneObject.objects.create(
        kind=Kind.CONNECTOR,
        key=row.pk,
        space_id=row.space_id,
        public_id=row.public_id,
        name=row.name,
        type=row.type,
    )


def find_action(key: int) -> Action | GoneObject | None:
    """Return the action of this key, or what is kept of it."""
    return Action.objects.filter(pk=key).first() or _find(Kind.ACTION, key)


def find_connector(key: int | None) -> Connector | GoneObject | None:
    """Return the connector of this key, or what is kept of it."""
    if key is None:
        return None
    return Connector.objects.filter(pk=key).first() or _find(Kind.CONNECTOR, key)


def public_id_of(kind: GoneObject.Kind, column: str) -> Coalesce:
    """Return SQL for the public id of what a row refers to by this column, deleted or not: by subqueries, no join."""
    model: type[Action | Connector] = Action if kind is Kind.ACTION else Connector
    present = model._default_manager.order_by().filter(pk=OuterRef(column)).values("public_id")
    gone = GoneObject.objects.order_by().filter(kind=kind, key=OuterRef(column)).values("public_id")
    return Coalesce(Subquery(present), Subquery(gone))


def _find(kind: GoneObject.Kind, key: int) -> GoneObject | None:
    return GoneObject.objects.filter(kind=kind, key=key).first()
