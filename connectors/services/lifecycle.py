"""Create, change and delete connectors."""

from collections.abc import Mapping
from typing import Any, TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

from connectors.models import Connector
from connectors.services.settings import apply_settings, conceal
from spaces.errors import InUse
from spaces.models import Space
from spaces.services import bump_config_revision
from spaces.validation import Findings, clean_name, clean_public_id, distinct_id


class ConnectorChanges(TypedDict, total=False):
    """What may be changed. ``config`` replaces the whole; of ``secrets``, absent keeps and None clears."""

    name: str
    config: dict[str, Any]
    secrets: Mapping[str, str | None]
    enabled: bool


def create_connector(
    space: Space,
    *,
    type: str,  # noqa: A002  the field's own name
    name: str,
    public_id: str | None = None,
    config: dict[str, Any],
    secrets: Mapping[str, str | None],
    enabled: bool = True,
) -> Connector:
    """Create a connector; raise InvalidInput. One whose secrets are missing is saved and flagged."""
    given = conceal(secrets)
    del secrets  # what has no name is in no traceback
    row = Connector(space=space, type=type, enabled=enabled)
    found = Findings()
    with found.gather():
        row.name = clean_name(name)
    with found.gather():
        row.public_id = clean_public_id(public_id, "con")
    with found.gather():
        apply_settings(row, config, given)
    found.raise_any()
    with transaction.atomic():
        with distinct_id(space.connectors.all(), public_id=row.public_id):
            row.save(force_insert=True)
        bump_config_revision(space.pk)
    return row


def update_connector(connector: Connector, **changes: Unpack[ConnectorChanges]) -> Connector:
    """Change a connector and return it as it now is; raise InvalidInput, or Connector.DoesNotExist when it is gone.

    Its id and type never change. Changes made since ``connector`` was read stay.
    """
    given = conceal(changes.pop("secrets", {}))
    with transaction.atomic():
        row = Connector.objects.select_for_update().get(pk=connector.pk)
        found = Findings()
        if "name" in changes:
            with found.gather():
                row.name = clean_name(changes["name"])
        if given or "config" in changes:
            with found.gather():
                apply_settings(row, changes.get("config", row.config), given)
        found.raise_any()
        row.enabled = changes.get("enabled", row.enabled)
        row.version += 1
        row.updated_at = timezone.now()
        row.save()
        bump_config_revision(row.space_id)
    return row


def delete_connector(connector: Connector) -> None:
    """Delete a connector; raise InUse while actions refer to it."""
    with transaction.atomic():
        row = Connector.objects.select_for_update().get(pk=connector.pk)
        if users := list(row.actions.order_by("public_id").values_list("public_id", flat=True)):
            raise InUse(
                f'The connector "{row.public_id}" is in use. First delete these actions, or move them to another: '
                f"{', '.join(users)}.",
                [("action", user) for user in users],
            )
        row.delete()
        bump_config_revision(row.space_id)
