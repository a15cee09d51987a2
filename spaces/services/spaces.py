"""Create, change and archive spaces."""

from typing import Any, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from spaces import audit
from spaces.errors import FieldError, InvalidInput
from spaces.models import DEFAULT_SPACE, Space
from spaces.validation import Findings, check_storable, clean_name, clean_public_id, distinct_id, extend, reject

# What the types of the installation's own events begin with; nobody else sends such.
OWN_EVENTS = "switchyard."


class SpaceChanges(TypedDict, total=False):
    """What may be changed of a space."""

    name: str
    description: str
    color: str
    default_event_type: str
    default_event_source: str
    max_events_per_second: int | None
    max_stored_events: int | None
    max_connectors: int | None
    retention_days: int | None


def create_space(slug: str, name: str, description: str = "") -> Space:
    """Create a space; raise InvalidInput."""
    found = Findings()
    with found.gather():
        slug = clean_public_id(slug, "space")
    with found.gather():
        name = clean_name(name)
    with found.gather():
        check_storable(description, "/description")
    found.raise_any()
    with transaction.atomic():
        with distinct_id(Space.objects.all(), slug=slug):
            row = Space.objects.create(slug=slug, name=name, description=description)
        _record("space.create", row, after=described(row))
    return row


def update_space(space: Space, **changes: Unpack[SpaceChanges]) -> Space:
    """Change a space and return it as it now is; raise InvalidInput, or Space.DoesNotExist when it is gone."""
    with transaction.atomic():
        row = Space.objects.select_for_update().get(pk=space.pk)
        before = described(row)
        for field, value in changes.items():
            setattr(row, field, value)
        found = Findings()
        with found.gather():
            row.name = clean_name(row.name)
        with found.gather():
            check_storable(changes, "")
        with found.gather():
            _check_fields(row)
        found.raise_any()
        row.version += 1
        row.save()
        bump_config_revision(row.pk)
        _record("space.update", row, before=before, after=described(row))
    return row


def archive_space(space: Space, *, archived: bool = True) -> Space:
    """Put a space to rest, or wake it: archived it can be read, takes no events, and nothing in it changes.

    What it had accepted is still delivered. Raises InvalidInput for the default space.
    """
    if space.slug == DEFAULT_SPACE and archived:
        raise reject("/archived", "The default space is always there and cannot be archived.")
    with transaction.atomic():
        row = Space.objects.select_for_update().get(pk=space.pk)
        if (row.archived_at is not None) == archived:
            return row
        row.archived_at = timezone.now() if archived else None
        row.version += 1
        row.save(update_fields=["archived_at", "version"])
        bump_config_revision(row.pk)
        _record("space.archive" if archived else "space.restore", row)
    return row


def described(row: Space) -> dict[str, Any]:
    """Return the space as the audit log shows it."""
    return {
        "id": row.slug,
        "name": row.name,
        "description": row.description,
        "color": row.color,
        "default_event_type": row.default_event_type,
        "default_event_source": row.default_event_source,
        "max_events_per_second": row.max_events_per_second,
        "max_stored_events": row.max_stored_events,
        "max_connectors": row.max_connectors,
        "retention_days": row.retention_days,
    }


def _record(
    action: str, row: Space, *, before: dict[str, Any] | None = None, after: dict[str, Any] | None = None
) -> None:
    audit.record(action, space=row, object_id=row.slug, object_name=row.name, before=before, after=after)


def bump_config_revision(space_id: int | None) -> None:
    """Tell every worker that a connector, action or rule of the space changed; None: of every space."""
    spaces = Space.objects.all() if space_id is None else Space.objects.filter(pk=space_id)
    spaces.update(config_revision=F("config_revision") + 1)


def _check_fields(space: Space) -> None:
    if space.default_event_type.startswith(OWN_EVENTS):
        raise reject("/default_event_type", f"Types that begin with {OWN_EVENTS} are for the installation itself.")
    try:
        space.clean_fields()
    except ValidationError as error:
        raise InvalidInput(
            FieldError(extend("", field), text) for field, texts in error.message_dict.items() for text in texts
        ) from None
