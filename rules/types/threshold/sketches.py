"""Sketches: what a great many values come to, in little room, so that two can be added up.

Percentiles: counts of values in bins that are 2 % wide (DDSketch, https://arxiv.org/abs/1908.10693). Distinct values:
their hashes while they are few, then HyperLogLog with the estimator of https://arxiv.org/abs/1702.01284.
"""

import math
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from itertools import accumulate
from typing import Any, Final

import orjson

ERROR: Final = 0.01  # of a percentile, of the value
SMALLEST: Final = 1e-6  # numbers nearer to 0 count as 0
LARGEST: Final = 1e18  # numbers farther from 0 count as this far
_GAMMA: Final = (1 + ERROR) / (1 - ERROR)
_LOG_GAMMA: Final = math.log(_GAMMA)
_SHIFT: Final = 1 - math.floor(math.log(SMALLEST) / _LOG_GAMMA)  # the bin of SMALLEST has a number above 0

Bins = dict[int, int]  # how many values by bin: 0 holds zero, numbers grow with the values


def bin_of(value: float) -> int:
    """Return the bin of a value."""
    size = abs(value)
    if size < SMALLEST:
        return 0
    number = math.ceil(math.log(min(size, LARGEST)) / _LOG_GAMMA) + _SHIFT
    return number if value > 0 else -number


def percentile_of(bins: Bins, percent: float) -> float:
    """Return the value that so many percent of the values do not exceed, at most 1 % off."""
    rank = math.ceil(percent / 100 * sum(bins.values()))
    numbers = sorted(bins)
    place = next(at for at, below in enumerate(accumulate(bins[number] for number in numbers)) if below >= rank)
    return _middle(numbers[place])


def _middle(number: int) -> float:
    if number == 0:
        return 0.0
    size: float = 2 * _GAMMA ** (abs(number) - _SHIFT) / (_GAMMA + 1)
    return math.copysign(size, number)


MOST_EXACT: Final = 256  # distinct values that are known by their hashes
_BITS: Final = 12
_REGISTERS: Final = 1 << _BITS
_REST: Final = 64 - _BITS


class Distinct:
    """How many different values there were: exactly up to MOST_EXACT, then with an error of some 1.6 %."""

    __slots__ = ("_hashes", "_registers")

    def __init__(self) -> None:
        self._hashes: set[int] = set()
        self._registers: bytearray | None = None

    def add(self, value: Any) -> None:
        """Take in a JSON scalar. 1 and 1.0 are one value, 1 and "1" are two."""
        if isinstance(value, float) and value.is_integer():
            value = int(value) if abs(value) < 2**53 else value
        digest = blake2b(orjson.dumps(value), digest_size=8).digest()
        self._take((int.from_bytes(digest, "big"),))

    def merge(self, stored: "list[int] | str") -> None:
        """Take in what ``stored`` returned."""
        if not isinstance(stored, str):
            self._take(stored)
            return
        mine = self._spread()
        self._registers = bytearray(map(max, mine, b64decode(stored)))

    def stored(self) -> "list[int] | str":
        """Return it as JSON."""
        return sorted(self._hashes) if self._registers is None else b64encode(self._registers).decode()

    def count(self) -> int:
        """Return how many different values there were."""
        return len(self._hashes) if self._registers is None else round(_estimate(self._registers))

    def _take(self, hashes: Iterable[int]) -> None:
        if self._registers is None:
            self._hashes.update(hashes)
            if len(self._hashes) > MOST_EXACT:
                self._spread()
            return
        for each in hashes:
            _mark(self._registers, each)

    def _spread(self) -> bytearray:
        """Turn the hashes into registers."""
        if self._registers is None:
            self._registers = bytearray(_REGISTERS)
            for each in self._hashes:
                _mark(self._registers, each)
            self._hashes = set()
        return self._registers


def _mark(registers: bytearray, digest: int) -> None:
    place, rest = digest >> _REST, digest & ((1 << _REST) - 1)
    registers[place] = max(registers[place], _REST - rest.bit_length() + 1)


def _estimate(registers: bytearray) -> float:
    held: Mapping[int, int] = {value: registers.count(value) for value in set(registers)}
    z = _REGISTERS * _tau(1 - held.get(_REST + 1, 0) / _REGISTERS)
    for value in range(_REST, 0, -1):
        z = 0.5 * (z + held.get(value, 0))
    z += _REGISTERS * _sigma(held.get(0, 0) / _REGISTERS)
    return _REGISTERS * _REGISTERS / (2 * math.log(2) * z)


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    y, z, former = 1.0, x, -1.0
    while z != former:
        x *= x
        former = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z, former = 1.0, 1 - x, -1.0
    while z != former:
        x = math.sqrt(x)
        former = z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3
