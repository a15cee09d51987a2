"""Paths of fields, ``event.data.site``, where what is missing must not stop the engine, or must not get past it.

Strict as the engine is, it refuses the first field that is missing, also where ``default`` or ``is defined`` says what
to do then; and it hands None to a filter of ours for a field that is missing. So the paths that stand before these are
read by a filter of ours. A template changes that way: ``Rewritten`` knows which place is which.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from actions.template_filters import OWN_FILTERS
from actions.template_grammar import KEYWORDS, Tag, Token

_DEFAULTS: Final = ("default", "d")
_TESTS: Final = ("defined", "undefined")
_NO_BASES: Final = KEYWORDS | {"loop"}  # loop is the engine's own


class MissingField(ValueError):
    """A field that a filter needs and that does not exist; ``start`` is the place of its path in the template."""

    def __init__(self, start: int, path: str) -> None:
        self.start = start
        super().__init__(f"{path} does not exist.")


class Rewritten(NamedTuple):
    """A template as the engine gets it. ``starts`` are the places where it goes on as in the original, ``shifts`` how
    many characters later that is there."""

    text: str
    starts: list[int]
    shifts: list[int]

    def original(self, start: int) -> int:
        """Return the place in the original of one in the text; within a path that was rewritten, about its end."""
        at = bisect_right(self.starts, start) - 1
        return start - self.shifts[at] if at >= 0 else start


class _Path(NamedTuple):
    start: int
    end: int
    base: str
    keys: list[str]  # as arguments
    is_needed: bool


def rewrite(source: str, tags: Sequence[Tag]) -> Rewritten | None:
    """Return the template with its paths read as is said above; None where there are none."""
    paths = [path for tag in tags for path in _paths(tag.tokens)]
    if not paths:
        return None
    text, position, starts, shifts = "", 0, [], []
    for path in paths:
        text += source[position : path.start]
        starts.append(len(text))
        shifts.append(len(text) - path.start)
        keys = ",".join(path.keys)
        shown = source[path.start : path.end].replace("\\", "").replace('"', "'")
        needed = f'({path.base}|_needed({path.start},"{shown}",{keys}))'
        text += needed if path.is_needed else f"({path.base}|_picked({keys})).value"
        position = path.end
        starts.append(len(text))
        shifts.append(len(text) - path.end)
    return Rewritten(text + source[position:], starts, shifts)


def _paths(tokens: Sequence[Token]) -> Iterator[_Path]:
    at = 0
    while at < len(tokens):
        token = tokens[at]
        before = tokens[at - 1].text if at else ""
        if token.kind != "name" or token.text in _NO_BASES or before in (".", "|", "is"):
            at += 1
            continue
        keys, end = _keys(tokens, at + 1)
        following = [each.text for each in tokens[end : end + 3]]
        use = _use(following)
        # Of one field alone the engine lets default and tests know.
        if use is not None and len(keys) >= (1 if use else 2):
            last = tokens[end - 1]
            yield _Path(token.start, last.start + len(last.text), token.text, keys, use)
        at = max(end, at + 1)


def _keys(tokens: Sequence[Token], at: int) -> tuple[list[str], int]:
    """Return the fields and elements that a path goes on with, and where it ends."""
    keys = []
    while at + 1 < len(tokens):
        sign, key = tokens[at], tokens[at + 1]
        if sign.text == "." and key.kind == "name":
            keys.append(f'"{key.text}"')
            at += 2
        elif sign.text == "[" and _is_key(key) and [each.text for each in tokens[at + 2 : at + 3]] == ["]"]:
            keys.append(key.text)
            at += 3
        else:
            break
    return keys, at


def _is_key(token: Token) -> bool:
    return token.kind == "string" or token.text.isdecimal()


def _use(following: list[str]) -> bool | None:
    """Return whether what follows a path needs the field; None where the engine itself sees to it."""
    sign, word, test = [*following, "", "", ""][:3]
    if sign == "|" and word in OWN_FILTERS:
        return True
    is_asked = (sign == "|" and word in _DEFAULTS) or (sign == "is" and (test if word == "not" else word) in _TESTS)
    return False if is_asked else None


_MISSING: Final = object()


def _read(value: Any, keys: Sequence[Any]) -> Any:
    for key in keys:
        if isinstance(value, dict):
            if key not in value:
                return _MISSING
        elif not isinstance(value, list) or not isinstance(key, int) or key >= len(value):
            return _MISSING
        value = value[key]
    return value


def _picked(value: Any, *keys: Any) -> dict[str, Any]:
    found = _read(value, keys)
    return {} if found is _MISSING else {"value": found}


def _needed(value: Any, start: int, path: str, *keys: Any) -> Any:
    found = _read(value, keys)
    if found is _MISSING:
        raise MissingField(start, path)
    return found


READERS: Final[dict[str, Callable[..., Any]]] = {"_picked": _picked, "_needed": _needed}
