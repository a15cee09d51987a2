"""Create, change and delete maintenance windows."""

from collections.abc import Iterable
from typing import Any, Final, TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

from rules.conditions import clean_condition
from rules.models import MaintenanceWindow, Rule
from rules.silences.stored import clean_schedule_of
from spaces import audit
from spaces.errors import FieldError, InvalidInput, ReadOnly
from spaces.models import Space
from spaces.services import bump_config_revision
from spaces.validation import Findings, clean_name, clean_public_id, clean_tags, distinct_id, extend, reject

MOST_WINDOWS: Final = 100  # of a space: an event looks at those that are open
MOST_RULES: Final = 500


class WindowChanges(TypedDict, total=False):
    """What may be changed; ``schedule``, ``rules`` and ``tags`` each replace the whole.

    ``schedule`` is as rules.silences.schedule has it, ``rules`` are public ids.
    """

    name: str
    enabled: bool
    schedule: dict[str, Any]
    condition: str
    rules: Iterable[str]
    tags: Iterable[str]


def create_window(
    space: Space,
    *,
    name: str,
    public_id: str | None = None,
    schedule: dict[str, Any],
    condition: str = "",
    rules: Iterable[str] = (),
    tags: Iterable[str] = (),
    enabled: bool = True,
) -> MaintenanceWindow:
    """Create a maintenance window; raise InvalidInput, or ReadOnly where the space has as many as it may."""
    row = MaintenanceWindow(space=space)
    found = Findings()
    with found.gather():
        row.public_id = clean_public_id(public_id, "window")
    with transaction.atomic():
        if space.maintenance_windows.count() >= MOST_WINDOWS:
            raise ReadOnly(f"A space has at most {MOST_WINDOWS} maintenance windows: delete those that are over.")
        changes: WindowChanges = {"name": name, "schedule": schedule, "condition": condition, "enabled": enabled}
        _apply(row, found, {**changes, "rules": rules, "tags": tags})
        with distinct_id(space.maintenance_windows.all(), public_id=row.public_id):
            row.save(force_insert=True)
        bump_config_revision(space.pk)
        _record("window.create", row, after=described(row))
    return row


def update_window(window: MaintenanceWindow, **changes: Unpack[WindowChanges]) -> MaintenanceWindow:
    """Change a window and return it as it now is; raise InvalidInput, or DoesNotExist when it is gone."""
    with transaction.atomic():
        row = MaintenanceWindow.objects.select_for_update().get(pk=window.pk)
        before = described(row)
        _apply(row, Findings(), changes)
        row.version += 1
        row.updated_at = timezone.now()
        row.save()
        bump_config_revision(row.space_id)
        _record("window.update", row, before=before, after=described(row))
    return row


def delete_window(window: MaintenanceWindow) -> None:
    """Delete a window: what it would have suppressed is told of from now on."""
    with transaction.atomic():
        row = MaintenanceWindow.objects.select_for_update().get(pk=window.pk)
        _record("window.delete", row, before=described(row))
        row.delete()
        bump_config_revision(row.space_id)


def described(row: MaintenanceWindow) -> dict[str, Any]:
    """Return the window as the audit log and exports show it."""
    return {
        "id": row.public_id,
        "name": row.name,
        "enabled": row.enabled,
        "schedule": row.schedule,
        "condition": row.condition,
        "rules": row.rules,
        "tags": row.tags,
    }


def _record(
    what: str,
    row: MaintenanceWindow,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    audit.record(what, space=row.space_id, object_id=row.public_id, object_name=row.name, before=before, after=after)


def _apply(row: MaintenanceWindow, found: Findings, changes: WindowChanges) -> None:
    """Put the changes on the row; raise InvalidInput with all that is wrong with them and all ``found`` before."""
    if "name" in changes:
        with found.gather():
            row.name = clean_name(changes["name"])
    if "schedule" in changes:
        with found.gather():
            row.schedule = clean_schedule_of(changes["schedule"], "/schedule")
    if "condition" in changes:
        with found.gather():
            row.condition = clean_condition(changes["condition"])
    if "rules" in changes:
        with found.gather():
            row.rules = _clean_rules(row, changes["rules"])
    if "tags" in changes:
        with found.gather():
            row.tags = clean_tags(changes["tags"])
    row.enabled = changes.get("enabled", row.enabled)
    found.raise_any()


def _clean_rules(row: MaintenanceWindow, ids: Iterable[str]) -> list[str]:
    """Return the ids, each once. What the window names already may have been deleted since."""
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MOST_RULES:
        raise reject("/rules", f"Use at most {MOST_RULES} rules; give them a tag, and name that.")
    known = set(Rule.objects.filter(space=row.space_id, public_id__in=wanted).values_list("public_id", flat=True))
    known.update(row.rules or [])
    missing = [(at, id_) for at, id_ in enumerate(wanted) if id_ not in known]
    if missing:
        raise InvalidInput(
            FieldError(extend("/rules", at), f'There is no rule "{id_}" in this space.') for at, id_ in missing
        )
    return wanted
