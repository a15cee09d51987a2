"""Create, change and delete sources, and say what becomes of them when their connector goes."""

from typing import Any, TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

from connectors.models import Connector
from rules.models import Source
from rules.services.source_status import settle
from rules.sources.mapping import MappedParams
from rules.sources.registry import UnknownSourceType, get_type
from spaces import audit
from spaces.models import Space
from spaces.validation import (
    Findings,
    check_storable,
    clean_name,
    clean_public_id,
    distinct_id,
    parse_model,
    reject,
)


class SourceChanges(TypedDict, total=False):
    """What may be changed; ``params`` replaces the whole."""

    connector: Connector
    name: str
    params: dict[str, Any]
    enabled: bool


def create_source(
    space: Space,
    *,
    connector: Connector,
    name: str,
    public_id: str | None = None,
    params: dict[str, Any],
    enabled: bool = True,
) -> Source:
    """Create a source; raise InvalidInput. Whoever runs the sources takes it up within seconds."""
    row = Source(space=space)
    found = Findings()
    with found.gather():
        row.public_id = clean_public_id(public_id, "src")
    with transaction.atomic():
        _apply(row, found, {"connector": connector, "name": name, "params": params, "enabled": enabled})
        with distinct_id(space.sources.all(), public_id=row.public_id):
            row.save(force_insert=True)
        settle(row.pk)
        _record("source.create", row, after=described(row))
    return row


def update_source(source: Source, **changes: Unpack[SourceChanges]) -> Source:
    """Change a source and return it as it now is; raise InvalidInput, or Source.DoesNotExist when it is gone.

    Its id never changes, and its connector only for another one of the same type.
    """
    with transaction.atomic():
        row = Source.objects.select_for_update().get(pk=source.pk)
        before = described(row)
        _apply(row, Findings(), changes)
        _save(row)
        settle(row.pk)
        _record("source.update", row, before=before, after=described(row))
    return row


def delete_source(source: Source) -> None:
    """Delete a source; the events that came in by it stay, and so do the offsets of its consumer group."""
    with transaction.atomic():
        row = Source.objects.select_for_update().get(pk=source.pk)
        _record("source.delete", row, before=described(row))
        row.delete()


def part_with_connector(gone: Connector, replacement: Connector | None) -> None:
    """Move the sources of a connector that is being deleted to ``replacement``; without one they stay without any."""
    for row in Source.objects.select_for_update().filter(connector=gone).order_by("pk"):
        before = described(row)
        row.connector = replacement
        row.lost_connector_id = "" if replacement else gone.public_id
        _save(row)
        settle(row.pk)
        _record("source.update", row, before=before, after=described(row))


def described(row: Source) -> dict[str, Any]:
    """Return the source as the audit log and exports show it."""
    return {
        "id": row.public_id,
        "name": row.name,
        "connector": row.connector.public_id if row.connector else None,
        "params": row.params,
        "enabled": row.enabled,
    }


def _save(row: Source) -> None:
    """Save what people set; what is counted meanwhile stays."""
    row.version += 1
    row.updated_at = timezone.now()
    row.save(
        update_fields=["connector", "lost_connector_id", "type", "name", "params", "enabled", "version", "updated_at"]
    )


def _record(
    what: str, row: Source, *, before: dict[str, Any] | None = None, after: dict[str, Any] | None = None
) -> None:
    audit.record(what, space=row.space_id, object_id=row.public_id, object_name=row.name, before=before, after=after)


def _apply(row: Source, found: Findings, changes: SourceChanges) -> None:
    """Put the changes on the row; raise InvalidInput with all that is wrong with them and all ``found`` before."""
    if "name" in changes:
        with found.gather():
            row.name = clean_name(changes["name"])
    if "connector" in changes or "params" in changes:
        with found.gather():
            connector = _lock_connector(row, changes.get("connector") or row.connector)
            row.type = _type_through(row, connector)
            row.connector = connector
            row.lost_connector_id = ""
            row.params = _clean_params(row.type, changes.get("params", row.params))
    row.enabled = changes.get("enabled", row.enabled)
    found.raise_any()


def _lock_connector(row: Source, connector: Connector | None) -> Connector:
    """Return the connector, so that it can neither change nor go before the source is stored."""
    if connector is None:
        raise reject("/connector", f'Choose a connector: "{row.lost_connector_id}" was deleted.')
    locked = Connector.objects.usable_in(row.space_id).select_for_update().filter(pk=connector.pk).first()
    if locked is None:
        raise reject("/connector", f'There is no connector "{connector.public_id}" in this space.')
    return locked


def _type_through(row: Source, connector: Connector) -> str:
    try:
        type_id = get_type(connector.type).id
    except UnknownSourceType as error:
        raise reject("/connector", str(error)) from None
    if row.type and row.type != type_id:
        detail = f'"{connector.public_id}" is of type "{type_id}", and this source is one of "{row.type}".'
        raise reject("/connector", detail)
    return type_id


def _clean_params(type_id: str, params: dict[str, Any]) -> dict[str, Any]:
    check_storable(params, "/params")
    parsed: MappedParams = parse_model(get_type(type_id).params_model, params, "/params")
    parsed.check("/params")
    return parsed.model_dump(mode="json")
