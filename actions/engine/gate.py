"""What an action's own rate and concurrency hold back of one lane's deliveries, so that the others go on."""

import random
import time
from collections import Counter, deque
from collections.abc import Iterator
from math import inf
from typing import Final

from actions.engine.leases import Leased
from actions.engine.pacing import Pacer
from actions.policy import STANDARD, Policy

_BUSY: Final = 0.05  # seconds after which somebody without room looks again
_KEPT: Final = 1.0  # seconds of its work that an action keeps under lease; what is beyond waits in the database
_QUICK_ROUNDS: Final = 10.0  # a second, that a system is taken to manage of what may be under way at once
_FARTHEST: Final = 300.0  # seconds for which one is put off at the most, so that a higher rate shows soon


class Gate:
    """For one thread. Deliveries of actions without limits pass it untouched."""

    def __init__(self) -> None:
        self._aside: dict[str, deque[Leased]] = {}
        self._late: list[tuple[Leased, float]] = []
        self._pacers: dict[str, Pacer] = {}
        self._under_way: Counter[str] = Counter()
        self._full_until: dict[str, float] = {}  # monotonic, by action
        self._look_at = inf  # monotonic

    @property
    def holds_some(self) -> bool:
        """Whether deliveries stand aside for their turn."""
        return bool(self._aside)

    def wait(self, waiting: deque[Leased]) -> float:
        """Return the seconds until one may go; 0 or less: now. What may not go yet is taken out of ``waiting``."""
        soonest = inf
        for held in self._aside.values():
            if (wait := self._wait_of(held[0].policy)) <= 0:
                return wait
            soonest = min(soonest, wait)
        while waiting and (policy := waiting[0].policy) is not STANDARD:
            if policy.key not in self._aside:
                if (wait := self._wait_of(policy)) <= 0:
                    return wait
                soonest = min(soonest, wait)
            self._set_aside(waiting.popleft())
        return 0.0 if waiting else soonest

    def take(self, waiting: deque[Leased]) -> Leased:
        """Return the one that may go now, as ``wait`` said."""
        delivery = self._take_aside() or waiting.popleft()
        policy = delivery.policy
        if policy.max_per_second is not None:
            self._pacers[policy.key].take()
        if policy.max_concurrency is not None:
            self._under_way[policy.key] += 1
        return delivery

    def finish(self, delivery: Leased) -> None:
        """Note that one that went is under way no more."""
        if delivery.policy.max_concurrency is not None:
            self._under_way[delivery.policy.key] -= 1

    def empty(self) -> tuple[list[Leased], list[tuple[Leased, float]]]:
        """Hand out all that stands aside, and what is to be put off by so many seconds."""
        aside = [delivery for held in self._aside.values() for delivery in held]
        late, self._late = self._late, []
        self._aside.clear()
        self._under_way.clear()
        return aside, late

    def rest(self, longest: float) -> float:
        """Return the seconds until one that was put off is due, at most ``longest``."""
        return min(max(self._look_at - time.monotonic(), 0.0), longest)

    def is_due(self) -> bool:
        """Whether one that was put off is due now; said once."""
        if time.monotonic() < self._look_at:
            return False
        self._look_at = inf
        return True

    def _take_aside(self) -> Leased | None:
        for key, held in self._aside.items():
            if self._wait_of(held[0].policy) <= 0:
                delivery = held.popleft()
                if not held:
                    del self._aside[key]
                return delivery
        return None

    def _wait_of(self, policy: Policy) -> float:
        if policy.max_concurrency is not None and self._under_way[policy.key] >= policy.max_concurrency:
            return _BUSY
        if policy.max_per_second is None:
            return 0.0
        pacer = self._pacers.get(policy.key)
        if pacer is None:
            pacer = self._pacers[policy.key] = Pacer(policy.key)
        return pacer.wait(policy.max_per_second)

    def _set_aside(self, delivery: Leased) -> None:
        policy = delivery.policy
        pace = min(_paces(policy))
        held = self._aside.setdefault(policy.key, deque())
        if len(held) < max(1, pace * _KEPT):
            held.append(delivery)
            return
        now = time.monotonic()
        at = max(self._full_until.get(policy.key, 0.0), now + _KEPT) + 1 / pace
        if at - now > _FARTHEST:
            at = now + random.uniform(_FARTHEST / 2, _FARTHEST)  # noqa: S311  spreads load, guards nothing
        else:
            self._full_until[policy.key] = at
        self._look_at = min(self._look_at, at)
        self._late.append((delivery, at - now))


def _paces(policy: Policy) -> Iterator[float]:
    """Yield how many a second each of the action's limits lets through, about; at least one has to be set."""
    yield inf if policy.max_per_second is None else policy.max_per_second
    yield inf if policy.max_concurrency is None else policy.max_concurrency * _QUICK_ROUNDS
