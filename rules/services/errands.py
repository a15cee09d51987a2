"""Errands: work that one process does at a time. The hold on one ends by itself, should its process vanish."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from django.utils import timezone

from rules.models import Errand

HELD_FOR: Final = timedelta(seconds=60)


@contextmanager
def held(name: str, held_for: timedelta = HELD_FOR) -> Iterator[Callable[[], bool] | None]:
    """Hold the errand; yields what renews the hold and says whether it still stands, None when another has it."""
    now = timezone.now()
    Errand.objects.get_or_create(name=name, defaults={"held_until": now})
    until = now + held_for
    if not Errand.objects.filter(name=name, held_until__lte=now).update(held_until=until):
        yield None
        return

    def renew() -> bool:
        nonlocal until
        former, until = until, timezone.now() + held_for
        return bool(Errand.objects.filter(name=name, held_until=former).update(held_until=until))

    try:
        yield renew
    finally:
        Errand.objects.filter(name=name, held_until=until).update(held_until=timezone.now())
