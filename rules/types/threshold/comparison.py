"""What a value is compared with, and how that is said."""

from dataclasses import dataclass
from typing import Final, Literal

Comparator = Literal[">", ">=", "<", "<=", "between", "not_between", "outside"]

TWO_SIDED: Final = frozenset({"between", "not_between", "outside"})
_WORDS: Final[dict[str, str]] = {
    ">": "above {}",
    ">=": "at or above {}",
    "<": "below {}",
    "<=": "at or below {}",
    "between": "between {} and {}",
    "not_between": "not between {} and {}",
    "outside": "not inside {} to {}",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparator with its threshold, or with the two of a range.

    The bounds themselves are within ``between`` and not within ``not_between``; for ``outside`` a value on a bound is
    outside already.
    """

    comparator: Comparator
    lower: float
    upper: float

    def is_met(self, value: float) -> bool:
        """Return whether the value is as the rule looks for."""
        match self.comparator:
            case "<":
                return value < self.lower
            case "<=":
                return value <= self.lower
            case "between":
                return self.lower <= value <= self.upper
            case "not_between" if value < self.lower:
                return True
            case "outside" if value <= self.lower:
                return True
            case _:
                return self.is_met_above(value)

    def is_met_above(self, value: float) -> bool:
        """Return whether it is met by how large the value is, so that what is not known yet would not undo it."""
        match self.comparator:
            case ">":
                return value > self.lower
            case ">=":
                return value >= self.lower
            case "not_between":
                return value > self.upper
            case "outside":
                return value >= self.upper
            case _:
                return False

    def sentence(self) -> str:
        """Return it in words, to stand after a value."""
        return _WORDS[self.comparator].format(shown(self.lower), shown(self.upper))


def shown(value: float) -> str:
    """Return a number for a sentence, without the noise of its last digits."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return str(int(value))
    return f"{value:.6g}"
