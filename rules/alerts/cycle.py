"""The life of an alert, step by step: what one run of its rule makes of it. No database, no clock.

A thing has to be found in ``delay`` runs in a row before its alert is active. The alert recovers with the first run
that does not find it, unless it is flapping: when it changed ``threshold`` times or more within the last ``look_back``
runs, it is held active until it did not, and then recovers if it is not found. What a run could not judge stays as it
is.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class Phase(StrEnum):
    """Where an alert stands while its rule looks at it."""

    PENDING = "pending"
    ACTIVE = "active"
    RECOVERED = "recovered"


class Change(StrEnum):
    """What a run did to an alert, where it may be told of."""

    OPENED = "opened"
    REGROUPED = "regrouped"  # active still, in another group
    ONGOING = "ongoing"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class Settings:
    """Those of a rule. A threshold of 0 means that nothing counts as flapping."""

    delay: int = 1
    look_back: int = 20
    threshold: int = 4


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an alert stands after a run.

    ``found`` tells whether it would be active if there were no flapping. ``changes`` are the numbers of the runs,
    within the look-back, in which that changed.
    """

    phase: Phase
    group: str
    matches: int
    found: bool
    changes: tuple[int, ...] = ()
    flapping: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What came of a run for one key: where its alert stands, None where there is none, and what is to be told."""

    standing: Standing | None
    change: Change | None = None


def advance(former: Standing | None, group: str | None, run: int, settings: Settings) -> Step:
    """Return what run number ``run`` makes of an alert; ``group`` is what it was found in, None if it was not found.

    ``former`` is where it stood after the last run that judged it, None where nothing is known of it.
    """
    was_found = former is not None and former.found
    matches = min((former.matches if former else 0) + 1, settings.delay) if group is not None else 0
    found = group is not None and (was_found or matches >= settings.delay)
    changes = former.changes if former else ()
    if found != was_found:
        changes = (*changes, run)
    changes = tuple(number for number in changes if number > run - settings.look_back)
    flapping = 0 < settings.threshold <= len(changes)
    was_active = former is not None and former.phase is Phase.ACTIVE
    shown = group if group is not None else former.group if former else ""
    standing = Standing(Phase.ACTIVE, shown, matches, found, changes, flapping)
    if found:
        if not was_active:
            return Step(standing, Change.OPENED)
        return Step(standing, Change.ONGOING if former and former.group == shown else Change.REGROUPED)
    if was_active:
        if flapping:
            return Step(replace(standing, group=former.group if former else shown), Change.ONGOING)
        return Step(replace(standing, phase=Phase.RECOVERED), Change.RECOVERED)
    if group is not None:
        return Step(replace(standing, phase=Phase.PENDING))
    if former is not None and former.phase is Phase.RECOVERED and changes:
        return Step(replace(standing, phase=Phase.RECOVERED))
    return Step(None)
