"""What a space may be sent and may hold."""

from typing import Final

from django.utils import timezone

from rules.models import Event
from spaces.models import Space, SpaceUsage
from spaces.services.limits import TooMany, count_events

COUNTED_EVERY: Final = 60  # seconds


class SpaceIsFull(TooMany):
    """The space holds as many events as it may; room comes as old ones go, or when its limit is raised."""

    def __init__(self) -> None:
        super().__init__(COUNTED_EVERY)


def admit_events(space: Space, events: int) -> None:
    """Count events that are about to be stored; raise TooMany, SpaceIsFull or TooManyAtOnce where a quota forbids them.

    ``space`` is loaded with its usage, which is at most a minute old.
    """
    if space.max_stored_events:
        usage = getattr(space, "usage", None)
        if usage is not None and usage.stored_events + events > space.max_stored_events:
            raise SpaceIsFull
    count_events(space, events)


def count_stored_events() -> None:
    """Note how many events each space holds that has a limit for them."""
    SpaceUsage.objects.filter(space__max_stored_events=None).delete()
    for space in Space.objects.exclude(max_stored_events=None):
        stored = Event.objects.filter(space=space).order_by().count()
        counted = {"stored_events": stored, "counted_at": timezone.now()}
        SpaceUsage.objects.update_or_create(space=space, defaults=counted)
