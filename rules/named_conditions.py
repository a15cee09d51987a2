"""Named conditions in the text of others: ``conditions.business_hours && event.data.total > 100.0``.

Such a reference is replaced by the condition that it names, in brackets, before the whole is compiled; that one may
refer to others. What is wrong within is told with the name, and with the place of the reference.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from rules.condition_text import position, tokens_of
from rules.conditions import MAX_LENGTH, Condition, ConditionError, compile_condition

PREFIX: Final = "conditions"
MAX_DEPTH: Final = 5  # of conditions that refer to others
_MOST_LISTED: Final = 10


class Reference(NamedTuple):
    """The name of a condition, and where its reference begins and ends."""

    name: str
    start: int
    end: int


class _Piece(NamedTuple):
    """Text that stands from ``start`` on in an expanded condition: of the condition ``owner``, "" for the outer one."""

    start: int
    owner: str
    from_: int  # where it stands in its owner's text
    outer: int  # where it, or the reference that brought it, stands in the outer text


@dataclass(slots=True)
class Expanded:
    """A condition with the named ones put in. ``used`` has each of them that stands in it, at any depth, by name."""

    source: str
    text: str = ""
    used: dict[str, str] = field(default_factory=dict)
    _pieces: list[_Piece] = field(default_factory=list)

    def located(self, error: ConditionError) -> ConditionError:
        """Return an error of the expanded text as one of the text that a person wrote."""
        if not self.used:
            return error
        start = _offset(self.text, error.line, error.column)
        piece = self._pieces[max(0, bisect_right([each.start for each in self._pieces], start) - 1)]
        if not piece.owner:
            return ConditionError(error.message, *position(self.source, piece.outer + start - piece.start))
        inner = position(self.used[piece.owner], piece.from_ + start - piece.start)
        within = f"In {PREFIX}.{piece.owner}, line {inner[0]}, column {inner[1]}: {error.message}"
        return ConditionError(within, *position(self.source, piece.outer))

    def add(self, text: str, owner: str, from_: int, outer: int) -> None:
        """Append text of a condition; ``outer`` is the place of the reference to blame."""
        self._pieces.append(_Piece(len(self.text), owner, from_, outer))
        self.text += text
        if self.used and len(self.text) > MAX_LENGTH:
            fault = f"With the conditions that it names this has more than the {MAX_LENGTH:,} characters allowed."
            raise ConditionError(fault, *position(self.source, min(outer, len(self.source))))


def references(text: str) -> Iterator[Reference]:
    """Yield the references to named conditions in a condition."""
    if PREFIX not in text:
        return
    tokens = list(tokens_of(text))
    for at, (token, dot, name) in enumerate(zip(tokens, tokens[1:], tokens[2:], strict=False)):
        if token.text == PREFIX and dot.text == "." and name.kind == "name" and not _is_field(tokens, at):
            yield Reference(name.text, token.start, name.start + len(name.text))


def _is_field(tokens: Sequence[object], at: int) -> bool:
    before = [getattr(token, "text", "") for token in tokens[max(0, at - 2) : at]]
    return before[-1:] == ["."] or before == [".", "?"]


def names_in(text: str) -> list[str]:
    """Return the names of the conditions that a condition refers to, each once, in order."""
    return list(dict.fromkeys(reference.name for reference in references(text)))


def expand(text: str, named: Mapping[str, str], own: str = "") -> Expanded:
    """Return the condition with the named ones put in; raise ConditionError.

    ``named`` has the text of each by its name. ``own`` is the name of the condition itself, where it has one.
    """
    expanded = Expanded(text)
    _put(expanded, text, named, (own,) if own else (), "", 0)
    return expanded


def _put(into: Expanded, text: str, named: Mapping[str, str], way: tuple[str, ...], owner: str, blamed: int) -> None:
    written = 0
    for name, start, end in references(text):
        outer = blamed if owner else start
        into.add(text[written:start], owner, written, blamed if owner else written)
        if fault := _fault(name, named, way):
            within = f"In {PREFIX}.{owner}: " if owner else ""
            raise ConditionError(f"{within}{fault}", *position(into.source, outer))
        into.used[name] = named[name]
        into.add("(", owner, start, outer)
        _put(into, named[name], named, (*way, name), name, outer)
        # The line break ends a trailing comment.
        into.add("\n)", owner, end, outer)
        written = end
    into.add(text[written:], owner, written, blamed if owner else written)


def _fault(name: str, named: Mapping[str, str], way: tuple[str, ...]) -> str:
    if name in way:
        circle = " → ".join((*way[way.index(name) :], name))
        return f"{PREFIX}.{name} leads back to itself: {circle}."
    if name not in named:
        some = ", ".join(sorted(named)[:_MOST_LISTED])
        known = f"there are {some}{', …' if len(named) > _MOST_LISTED else ''}" if named else "this space has none"
        return f"There is no condition “{name}”; {known}."
    if len(way) >= MAX_DEPTH:
        return f"Conditions refer to others at most {MAX_DEPTH} deep: {' → '.join((*way, name))}."
    return ""


def compile_named(text: str, named: Mapping[str, str], own: str = "") -> Condition:
    """Return the condition with the named ones put in, checked; raise ConditionError with the place in ``text``."""
    expanded = expand(text, named, own)
    try:
        return compile_condition(expanded.text)
    except ConditionError as error:
        raise expanded.located(error) from None


def users_of(name: str, named: Mapping[str, str]) -> set[str]:
    """Return the named conditions that this one stands in, at any depth, itself among them."""
    direct = {each: set(names_in(text)) for each, text in named.items()}
    found = {name}
    while more := {each for each, uses in direct.items() if each not in found and uses & found}:
        found |= more
    return found


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Return the condition with its references under these new names, by the old ones."""
    for name, start, end in reversed(list(references(text))):
        text = f"{text[:start]}{PREFIX}.{names.get(name, name)}{text[end:]}"
    return text


def _offset(text: str, line: int, column: int) -> int:
    return sum(len(each) + 1 for each in text.split("\n")[: line - 1]) + column - 1
