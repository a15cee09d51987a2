"""What is stored of silences: checked when it comes in, and read for rules.silences.silence to ask."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from django.core.exceptions import ValidationError
from django.db import models
from pydantic import AfterValidator
from pydantic import ValidationError as ModelError

from rules.conditions import Condition
from rules.models import MaintenanceWindow, Rule
from rules.silences.schedule import Schedule, times_of
from rules.silences.silence import Audible, Snooze, Window
from spaces.public_ids import generate_public_id, validate_public_id
from spaces.validation import extend, parse_model, reject

logger = logging.getLogger(__name__)

MOST_SNOOZES: Final = 20


def _public_id(value: str) -> str:
    try:
        validate_public_id(value)
    except ValidationError as error:
        raise ValueError(" ".join(error.messages)) from None
    return value


class WindowStatus(models.TextChoices):
    """Whether a maintenance window is open."""

    UPCOMING = "upcoming"
    RUNNING = "running"
    FINISHED = "finished"
    DISABLED = "disabled"


class StoredSnooze(Schedule):
    """A snooze of a rule, with its ID."""

    id: Annotated[str, AfterValidator(_public_id)]


def clean_schedule_of(value: Any, pointer: str) -> dict[str, Any]:
    """Return a schedule as it is stored; raise InvalidInput."""
    return parse_model(Schedule, value, pointer, is_strict=True).model_dump(mode="json")


def clean_snoozes(values: Iterable[Any], pointer: str) -> list[dict[str, Any]]:
    """Return snoozes as they are stored; one that has no ID gets one. Raises InvalidInput."""
    stored: list[dict[str, Any]] = []
    for at, value in enumerate(values):
        stored.append(clean_snooze(value, extend(pointer, at), stored))
    return stored


def clean_snooze(value: Any, pointer: str, others: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return one snooze as it is stored beside the others of its rule; raise InvalidInput."""
    named = {"id": generate_public_id("snooze"), **value} if isinstance(value, Mapping) else value
    parsed = parse_model(StoredSnooze, named, pointer, is_strict=True)
    if any(parsed.id == each["id"] for each in others):
        raise reject(extend(pointer, "id"), "Another snooze of the rule has this ID.")
    if len(others) >= MOST_SNOOZES:
        raise reject(pointer, f"A rule has at most {MOST_SNOOZES} snoozes.")
    return parsed.model_dump(mode="json")


def without_ended(snoozes: Iterable[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Return the stored snoozes that are not over yet."""
    return [each for each in snoozes if (times := _snooze(each)) is not None and not times.times.is_over(now)]


def audible(rule: Rule) -> Audible:
    """Return what silences look at of this rule."""
    snoozes = tuple(found for each in rule.snoozes if (found := _snooze(each)) is not None)
    return Audible(rule.public_id, frozenset(rule.tags), rule.muted, snoozes)


def windows_of(space_id: int) -> tuple[Window, ...]:
    """Return the enabled maintenance windows of a space."""
    rows = MaintenanceWindow.objects.filter(space=space_id, enabled=True).order_by("pk")
    return tuple(window for row in rows if (window := _window(row)) is not None)


def snoozed_until(rule: Rule, now: datetime) -> datetime | None:
    """Return until when the rule is snoozed, as far as is known now; None where it is not."""
    spans = [each.times.span_at(now) for each in audible(rule).snoozes]
    return max((span.until for span in spans if span.is_open and span.until), default=None)


def status_of(window: MaintenanceWindow, now: datetime) -> WindowStatus:
    """Return whether the window is open now."""
    times = times_of(Schedule.model_validate(window.schedule))
    if not window.enabled:
        return WindowStatus.DISABLED
    if times.open_at(now):
        return WindowStatus.RUNNING
    return WindowStatus.FINISHED if times.is_over(now) else WindowStatus.UPCOMING


def begins_next(window: MaintenanceWindow, now: datetime) -> datetime | None:
    """Return when the window opens next, within a year or so; None where it does not."""
    return times_of(Schedule.model_validate(window.schedule)).begins_next(now) if window.enabled else None


def _snooze(stored: dict[str, Any]) -> Snooze | None:
    try:
        parsed = StoredSnooze.model_validate(stored)
    except ModelError as error:
        # It was checked when it was saved: only a changed installation, such as its time zones, can bring this about.
        logger.error("A snooze cannot be read: %s", error)
        return None
    return Snooze(parsed.id, times_of(parsed))


def _window(row: MaintenanceWindow) -> Window | None:
    try:
        times = times_of(Schedule.model_validate(row.schedule))
    except ModelError as error:
        logger.error("Maintenance window %s cannot be read: %s", row.public_id, error)
        return None
    condition = Condition(row.condition) if row.condition.strip() else None
    return Window(row.public_id, row.name, times, condition, frozenset(row.rules), frozenset(row.tags))
