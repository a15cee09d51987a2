"""Create, change and copy connectors."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

from connectors.models import Connector
from connectors.services.settings import apply_settings, await_secrets, conceal, without_masks
from connectors.services.status import resting_status, settle_status
from connectors.types.registry import all_types, get_type, require_type
from spaces import audit
from spaces.errors import QuotaReached, ReadOnly
from spaces.models import Space
from spaces.services import bump_config_revision
from spaces.validation import (
    Findings,
    clean_name,
    clean_number,
    clean_public_id,
    clean_tags,
    copied_name,
    distinct_id,
    reject,
)

LONGEST_INTERVAL: Final = 24 * 3600
SHORTEST_INTERVAL: Final = 5
MOST_AT_ONCE: Final = 1000
SLOWEST: Final = 0.001  # messages a second
FASTEST: Final = 100_000


class ConnectorChanges(TypedDict, total=False):
    """What may be changed. ``config`` and ``tags`` replace the whole; of ``secrets``, absent keeps and None clears.

    ``awaited`` names secrets that must be entered although the config does without. ``health_interval`` is in seconds;
    0 for no health checks, None for the installation's interval. ``max_concurrency`` is of messages under way in one
    worker, None for the installation's; ``max_per_second`` holds over all workers, None for no limit.
    """

    name: str
    tags: Iterable[str]
    config: dict[str, Any]
    secrets: Mapping[str, str | None]
    awaited: Iterable[str]
    health_interval: int | None
    max_concurrency: int | None
    max_per_second: float | None
    enabled: bool


def create_connector(
    space: Space,
    *,
    type: str,  # noqa: A002  the field's own name
    name: str,
    public_id: str | None = None,
    tags: Iterable[str] = (),
    config: dict[str, Any],
    secrets: Mapping[str, str | None],
    awaited: Iterable[str] = (),
    health_interval: int | None = None,
    max_concurrency: int | None = None,
    max_per_second: float | None = None,
    enabled: bool = True,
) -> Connector:
    """Create a connector; raise InvalidInput. One whose secrets are missing is saved and flagged.

    ``awaited`` names secrets that what it was copied from has: without them it is flagged as well.
    """
    given = conceal(secrets)
    del secrets  # what has no name is in no traceback
    row = Connector(space=space, type=type, enabled=enabled)
    found = Findings()
    clean_labels(row, found, {"name": name, "tags": tags, "health_interval": health_interval})
    clean_limits(row, found, {"max_concurrency": max_concurrency, "max_per_second": max_per_second})
    with found.gather():
        row.public_id = _clean_new_id(public_id)
    with found.gather():
        require_type(type)
        apply_settings(row, config, without_masks(row, given))
        _await(row, awaited)
    found.raise_any()
    _insert(space, row, "connector.create")
    return row


def update_connector(connector: Connector, **changes: Unpack[ConnectorChanges]) -> Connector:
    """Change a connector and return it as it now is.

    Raises InvalidInput, ReadOnly for a preconfigured one, or Connector.DoesNotExist when it is gone. Its id and type
    never change. Changes made since ``connector`` was read stay.
    """
    refuse_preconfigured(connector, "changed")
    given = conceal(changes.pop("secrets", {}))
    with transaction.atomic():
        row = Connector.objects.select_for_update().get(pk=connector.pk)
        before, was_missing = described(row), row.is_missing_secrets
        found = Findings()
        clean_labels(row, found, changes)
        clean_limits(row, found, changes)
        with found.gather():
            given = without_masks(row, given)
        if given or "config" in changes:
            with found.gather():
                require_type(row.type)
                apply_settings(row, changes.get("config", row.config), given)
        found.raise_any()
        if "awaited" in changes:
            _await(row, changes["awaited"])
        row.enabled = changes.get("enabled", row.enabled)
        row.version += 1
        row.updated_at = timezone.now()
        if given or row.is_missing_secrets != was_missing or _bears_on_status(before, described(row)):
            settle_status(row)
        row.save()
        bump_config_revision(row.space_id)
        _record("connector.update", row, before, given)
    return row


def duplicate_connector(connector: Connector, *, name: str | None = None, public_id: str | None = None) -> Connector:
    """Create a connector with the same settings and without the secrets, which nobody can read; raise InvalidInput.

    Where there were any it is flagged, and not used until they are entered or given up.
    """
    if connector.space is None:
        raise ReadOnly("A preconfigured connector stands in CONNECTORS_FILE: copy it there.")
    return create_connector(
        connector.space,
        type=connector.type,
        name=name if name is not None else copied_name(connector.name),
        public_id=public_id,
        tags=connector.tags,
        config=connector.config,
        secrets={},
        awaited=entered_secrets(connector),
        health_interval=connector.health_interval,
        max_concurrency=connector.max_concurrency,
        max_per_second=connector.max_per_second,
        enabled=connector.enabled,
    )


def entered_secrets(connector: Connector) -> list[str]:
    """Return the names of the secrets that somebody entered or has yet to enter."""
    declared = all_types().get(connector.type)
    kept = declared.secrets_model.kept if declared else frozenset()
    return [name for name in sorted({*connector.secrets_set_at, *connector.missing_secrets}) if name not in kept]


def refuse_preconfigured(connector: Connector, what: str) -> None:
    """Raise ReadOnly for a preconfigured connector."""
    if connector.is_preconfigured:
        raise ReadOnly(
            f'The connector "{connector.public_id}" is preconfigured and cannot be {what} here. '
            "Whoever runs this installation changes it in CONNECTORS_FILE."
        )


def described(row: Connector) -> dict[str, Any]:
    """Return the connector as the audit log shows it: secrets masked, and a config that people may not see."""
    return {
        "id": row.public_id,
        "name": row.name,
        "connector_type_id": row.type,
        "tags": row.tags,
        "config": row.config if row.exposes_config else audit.MASK,
        "secrets": dict.fromkeys(sorted(row.secrets_set_at), audit.MASK),
        "health_interval": row.health_interval,
        "max_concurrency": row.max_concurrency,
        "max_per_second": row.max_per_second,
        "enabled": row.enabled,
    }


def _await(row: Connector, names: Iterable[str]) -> None:
    """Flag the row for those of the secrets that its type has and that are not set."""
    known = get_type(row.type).secrets_model.model_fields.keys()
    awaited = [name for name in names if name in known and name not in row.secrets_set_at]
    await_secrets(row, [*row.missing_secrets, *awaited])


def _bears_on_status(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return any(before[field] != after[field] for field in ("config", "enabled", "health_interval"))


def _insert(space: Space, row: Connector, action: str) -> None:
    row.status = resting_status(row) or row.status
    row.health_due_at = timezone.now() if resting_status(row) is None and row.health_interval != 0 else None
    with transaction.atomic():
        with distinct_id(Connector.objects.filter(space=row.space_id), public_id=row.public_id):
            row.save(force_insert=True)
        bump_config_revision(row.space_id)
        _check_quota(space)
        audit.record(action, space=row.space_id, object_id=row.public_id, object_name=row.name, after=described(row))


def _check_quota(space: Space) -> None:
    # The change of the revision holds the space's row, so that nobody else creates one meanwhile.
    most = Space.objects.values_list("max_connectors", flat=True).get(pk=space.pk)
    if most is not None and Connector.objects.filter(space=space).order_by().count() > most:
        raise QuotaReached(f"The space may have {most:,} connectors and has them. Delete one, or raise its limit.")


def _clean_new_id(public_id: str | None) -> str:
    clean = clean_public_id(public_id, "con")
    if Connector.objects.filter(public_id=clean, space=None).exists():
        raise reject("/id", f'The ID "{clean}" belongs to a preconfigured connector.')
    return clean


def clean_labels(row: Connector, found: Findings, changes: ConnectorChanges) -> None:
    """Put name, tags and health interval on the row as far as they are given, and what is wrong into ``found``."""
    if "name" in changes:
        with found.gather():
            row.name = clean_name(changes["name"])
    if "tags" in changes:
        with found.gather():
            row.tags = clean_tags(changes["tags"])
    if "health_interval" in changes:
        with found.gather():
            row.health_interval = _clean_interval(changes["health_interval"])


def clean_limits(row: Connector, found: Findings, changes: ConnectorChanges) -> None:
    """Put the limits of concurrency and rate on the row as far as they are given, and what is wrong into ``found``."""
    if "max_concurrency" in changes:
        with found.gather():
            most = changes["max_concurrency"]
            row.max_concurrency = None if most is None else clean_number(most, "/max_concurrency", 1, MOST_AT_ONCE)
    if "max_per_second" in changes:
        with found.gather():
            row.max_per_second = _clean_rate(changes["max_per_second"])


def _clean_rate(rate: float | None) -> float | None:
    # Also false for NaN.
    if rate is None or SLOWEST <= rate <= FASTEST:
        return rate
    raise reject("/max_per_second", f"Use a number from {SLOWEST:g} to {FASTEST:,}.")


def _clean_interval(seconds: int | None) -> int | None:
    if not seconds:
        return seconds
    if not SHORTEST_INTERVAL <= seconds <= LONGEST_INTERVAL:
        bounds = f"from {SHORTEST_INTERVAL} to {LONGEST_INTERVAL}"
        raise reject("/health_interval", f"Use a whole number {bounds}, or 0 for no checks.")
    return seconds


def _record(action: str, row: Connector, before: dict[str, Any], given: Mapping[str, object]) -> None:
    after = described(row)
    # A secret that was replaced reads the same: say so.
    after["secrets"] |= {name: f"{audit.MASK} (new)" for name, value in given.items() if value is not None}
    audit.record(action, space=row.space_id, object_id=row.public_id, object_name=row.name, before=before, after=after)
