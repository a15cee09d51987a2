"""What the values of many events come to, kept so that what later ones come to can be added."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final, Protocol

from rules.types.threshold.sketches import Bins, Distinct, bin_of, percentile_of

LARGEST: Final = 1e290  # so that no sum of them is beyond what a float holds


class State(Protocol):
    """What one group's values come to so far."""

    def add(self, value: Any) -> None:
        """Take in the value of one more event."""

    def merge(self, stored: Any) -> None:
        """Take in what ``stored`` of another returned."""

    def stored(self) -> Any:
        """Return it as JSON."""

    def result(self) -> float | None:
        """Return the value that is compared; None where there is none."""


class Aggregate(ABC):
    """A way to make one number of many values."""

    needs_field: ClassVar[bool] = True
    takes_text: ClassVar[bool] = False  # any scalar, not only numbers
    of_nothing: ClassVar[float | None] = None  # what no events come to

    @abstractmethod
    def begin(self) -> State:
        """Return the state of no values."""

    def takes(self, value: Any) -> bool:
        """Return whether a field's value counts."""
        if self.takes_text:
            return isinstance(value, str | int | float)
        return isinstance(value, int | float) and not isinstance(value, bool) and _is_usable(value)


def _is_usable(value: float) -> bool:
    # An int of any size compares; a NaN does not, and is none.
    return -LARGEST <= value <= LARGEST


class Count(Aggregate):
    """How many events."""

    needs_field = False
    of_nothing = 0

    def begin(self) -> State:
        return _Count()

    def takes(self, value: Any) -> bool:
        """Return True: whatever the event has, it is one."""
        return True


class Sum(Aggregate):
    """The sum of a number."""

    of_nothing = 0

    def begin(self) -> State:
        return _Sum()


class Average(Aggregate):
    """The mean of a number."""

    def begin(self) -> State:
        return _Average()


class Least(Aggregate):
    """The least of a number."""

    def begin(self) -> State:
        return _Least()


class Greatest(Aggregate):
    """The greatest of a number."""

    def begin(self) -> State:
        return _Greatest()


class DistinctCount(Aggregate):
    """How many different values."""

    takes_text = True
    of_nothing = 0

    def begin(self) -> State:
        return _DistinctCount()


class Percentile(Aggregate):
    """The value that so many percent of a number do not exceed."""

    def __init__(self, percent: float) -> None:
        self._percent = percent

    def begin(self) -> State:
        return _Percentile(self._percent)


PLAIN: Final[dict[str, Aggregate]] = {
    "count": Count(),
    "sum": Sum(),
    "avg": Average(),
    "min": Least(),
    "max": Greatest(),
    "distinct": DistinctCount(),
}


def _rounded(value: float) -> float:
    """Return the value without the noise of its last digit: 0.1 and 0.2 are not above 0.3."""
    return float(f"{value:.15g}")


class _Count:
    def __init__(self) -> None:
        self._count = 0

    def add(self, value: Any) -> None:
        self._count += 1

    def merge(self, stored: int) -> None:
        self._count += stored

    def stored(self) -> int:
        return self._count

    def result(self) -> int:
        return self._count


class _Sum:
    def __init__(self) -> None:
        self._sum = 0.0

    def add(self, value: float) -> None:
        self._sum += float(value)

    def merge(self, stored: float) -> None:
        self._sum += stored

    def stored(self) -> float:
        return self._sum

    def result(self) -> float:
        return _rounded(self._sum)


class _Average:
    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def add(self, value: float) -> None:
        self._sum += float(value)
        self._count += 1

    def merge(self, stored: tuple[float, int]) -> None:
        self._sum += stored[0]
        self._count += stored[1]

    def stored(self) -> tuple[float, int]:
        return self._sum, self._count

    def result(self) -> float | None:
        return _rounded(self._sum / self._count) if self._count else None


class _Extreme(ABC):
    def __init__(self) -> None:
        self._value: float | None = None

    @abstractmethod
    def choose(self, one: float, other: float) -> float:
        """Return the more extreme of two."""

    def add(self, value: float) -> None:
        self._value = float(value) if self._value is None else self.choose(self._value, float(value))

    def merge(self, stored: float) -> None:
        self.add(stored)

    def stored(self) -> float | None:
        return self._value

    def result(self) -> float | None:
        return self._value


class _Least(_Extreme):
    def choose(self, one: float, other: float) -> float:
        return min(one, other)


class _Greatest(_Extreme):
    def choose(self, one: float, other: float) -> float:
        return max(one, other)


class _DistinctCount:
    def __init__(self) -> None:
        self._sketch = Distinct()

    def add(self, value: Any) -> None:
        self._sketch.add(value)

    def merge(self, stored: list[int] | str) -> None:
        self._sketch.merge(stored)

    def stored(self) -> list[int] | str:
        return self._sketch.stored()

    def result(self) -> int:
        return self._sketch.count()


class _Percentile:
    def __init__(self, percent: float) -> None:
        self._percent = percent
        self._bins: Bins = {}

    def add(self, value: float) -> None:
        number = bin_of(float(value))
        self._bins[number] = self._bins.get(number, 0) + 1

    def merge(self, stored: list[list[int]]) -> None:
        for number, count in stored:
            self._bins[number] = self._bins.get(number, 0) + count

    def stored(self) -> list[tuple[int, int]]:
        return list(self._bins.items())

    def result(self) -> float | None:
        return _rounded(percentile_of(self._bins, self._percent)) if self._bins else None
