"""Why a rule matches an event, or does not: what it looks at, then its condition, part by part. No database.

A condition is split where ``&&`` and ``||`` stand outside of all brackets. Each part is evaluated by itself, so the
parts tell more than the whole: in CEL ``false && x`` is false whatever x is, even an error.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from rules.condition_text import Path, Token, paths_of, tokens_of
from rules.conditions import MATCHED, Bound, Condition
from rules.evaluation.guards import Guards, guards_of, value_at
from rules.types.base import NOTHING, Watch

MAX_PARTS: Final = 20
MAX_VALUES: Final = 8  # of one part
MAX_PART: Final = 500  # characters of a part that are shown
MAX_VALUE: Final = 200  # characters of a value, as JSON
MAX_NAMED: Final = 5  # patterns of a watch, or texts of a guard, that a sentence has
_OPEN: Final = frozenset("([{")
_CLOSE: Final = frozenset(")]}")

_UNNAMED: Final = "no type by name, and so at none of the installation's own"

Stage = Literal["", "type", "source", "subject", "guard", "condition"]
Result = Literal["true", "false", "error", "not_evaluated"]


@dataclass(frozen=True, slots=True)
class Value:
    """What the event has at a path of a condition; ``value`` is JSON, cut where it is long, None where nothing is."""

    path: str
    value: str | None

    @property
    def found(self) -> bool:
        """Whether the event has the field."""
        return self.value is not None


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a condition: ``&&`` or ``||`` before it ("" at the first), and what it comes to by itself.

    ``reason`` says why it is neither true nor false.
    """

    operator: str
    text: str
    result: Result
    reason: str = ""
    values: Sequence[Value] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a rule matches; ``failed_at`` is the first thing that keeps it from it, "" when it matches."""

    matched: bool
    failed_at: Stage = ""
    reason: str = ""
    parts: Sequence[Part] = ()
    parts_left_out: int = 0


class Clock:
    """How much time is left for explaining, so that no condition keeps a request."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self._until


class Explainer:
    """A rule, as far as it can be explained. One is used for many events."""

    def __init__(self, watch: Watch, condition: str) -> None:
        self.watch = watch
        self._text = condition
        self.condition = Condition(condition) if condition.strip() else None
        self._guards: Guards = guards_of(condition)
        self._parts: list[tuple[str, str, Condition, list[Path]]] | None = None
        self._left_out = 0

    @property
    def looks_at_events(self) -> bool:
        """Whether there are events that it looks at one by one."""
        return self.watch is not NOTHING

    def explain(self, bound: Bound, clock: Clock) -> Verdict:
        """Return whether the rule matches the event, and why. Once the time is over, parts are not evaluated."""
        envelope = bound.event
        if (refused := self._not_watched(envelope)) is not None:
            return refused
        if self.condition is None:
            return Verdict(True)
        match = self.condition.evaluate(bound)
        parts = self.parts(bound, clock)
        if match.matched:
            return Verdict(True, parts=parts, parts_left_out=self._left_out)
        guard = _guard_that_fails(self._guards, envelope)
        reason = guard or match.reason or "The condition is false."
        return Verdict(False, "guard" if guard else "condition", reason, parts, self._left_out)

    def parts(self, bound: Bound, clock: Clock) -> list[Part]:
        """Return the parts of the condition with what they come to."""
        return [_evaluated(part, bound, clock) for part in self._split()]

    def nearly(self, parts: Sequence[Part]) -> Part | None:
        """Return the one part that keeps the condition from being true; None where it takes more than one.

        Of parts joined by ``||``, those between two of them stand for themselves.
        """
        failing: list[list[Part]] = [[]]
        for part in parts:
            if part.operator == "||":
                failing.append([])
            if part.result != "true":
                failing[-1].append(part)
        fewest = min(failing, key=len)
        return fewest[0] if len(fewest) == 1 and not self._left_out else None

    def _split(self) -> list[tuple[str, str, Condition, list[Path]]]:
        if self._parts is None:
            found = list(split(self._text))
            self._left_out = max(0, len(found) - MAX_PARTS)
            self._parts = [(*part, Condition(part[1]), _paths(part[1])) for part in found[:MAX_PARTS]]
        return self._parts

    def _not_watched(self, envelope: dict[str, Any]) -> Verdict | None:
        watch, type_, source, subject = self.watch, envelope["type"], envelope["source"], envelope.get("subject", "")
        if not watch.covers_type(type_):
            wanted = _some(watch.event_types) or _UNNAMED
            return Verdict(False, "type", f"The rule looks at {wanted}; the type is {_quoted(type_)}.")
        if not watch.covers_source(source):
            return Verdict(
                False, "source", f"The rule looks at sources {_some(watch.sources)}; this is {_quoted(source)}."
            )
        if not watch.covers_subject(subject):
            found = f"this is {_quoted(subject)}" if subject else "the event has none"
            return Verdict(False, "subject", f"The rule looks at subjects {_some(watch.subjects)}; {found}.")
        return None


def split(condition: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a condition that compiles, each with the operator before it.

    Brackets around the whole are taken off; where ``?`` stands outside of brackets, all of it is one part.
    """
    text = condition
    tokens = list(tokens_of(text))
    while _is_bracketed(tokens):
        text = text[tokens[0].start + 1 : tokens[-1].start]
        tokens = list(tokens_of(text))
    cuts = list(_cuts(tokens))
    starts = [0, *(cut.start + 2 for cut in cuts)]
    ends = [*(cut.start for cut in cuts), len(text)]
    operators = ["", *(cut.text * 2 for cut in cuts)]
    for operator, start, end in zip(operators, starts, ends, strict=True):
        yield operator, _without_comments(text[start:end])


def preview(value: Any) -> str:
    """Return a value as JSON, its end cut where it is long."""
    if isinstance(value, str):
        value = value[: MAX_VALUE + 1]
    try:
        text = orjson.dumps(value).decode()
    except TypeError:
        text = str(value)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"


def _cuts(tokens: Sequence[Token]) -> list[Token]:
    """Return the first sign of each ``&&`` and ``||`` outside of brackets; none where ``?`` stands there too."""
    cuts: list[Token] = []
    depth = 0
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.kind != "sign":
            continue
        depth += (token.text in _OPEN) - (token.text in _CLOSE)
        if depth:
            continue
        if token.text == "?" and before is not None and before.text != ".":
            return []
        is_first = not cuts or cuts[-1].start != token.start - 1
        if token.text in "&|" and is_first:
            cuts.append(token)
    return cuts


def _is_bracketed(tokens: Sequence[Token]) -> bool:
    if len(tokens) < 3 or tokens[0].text != "(" or tokens[-1].text != ")":
        return False
    depth = 0
    for token in tokens[:-1]:
        if token.kind == "sign":
            depth += (token.text in _OPEN) - (token.text in _CLOSE)
        if not depth:
            return False
    return True


def _without_comments(text: str) -> str:
    """Return the part on one line, without comments, its spaces kept where they stand in a line."""
    tokens = list(tokens_of(text))
    pieces: list[str] = []
    end = tokens[0].start if tokens else 0
    for token in tokens:
        between = text[end : token.start]
        pieces.append(between if between.strip() == "" and "\n" not in between else " ")
        pieces.append(token.text)
        end = token.start + len(token.text)
    return "".join(pieces).strip()


def _paths(text: str) -> list[Path]:
    # paths_of() ends before the ? of ``event.data.?site``.
    plain = [token for token in tokens_of(text) if token.text != "?"]
    return [path for path in dict.fromkeys(paths_of(plain)) if len(path) > 1][:MAX_VALUES]


def _evaluated(part: tuple[str, str, Condition, list[Path]], bound: Bound, clock: Clock) -> Part:
    operator, text, condition, paths = part
    shown = text if len(text) <= MAX_PART else f"{text[:MAX_PART]}…"
    values = [Value(".".join(path), _value(bound.event, path)) for path in paths]
    if clock.is_over:
        return Part(operator, shown, "not_evaluated", "The time for explanations is over.", values)
    match = condition.evaluate(bound)
    if match is MATCHED:
        return Part(operator, shown, "true", values=values)
    reason = match.reason
    return Part(operator, shown, "error" if reason else "false", reason, values)


def _value(event: dict[str, Any], path: Path) -> str | None:
    parent = value_at(event, path[1:-1])
    if not isinstance(parent, dict) or path[-1] not in parent:
        return None
    return preview(parent[path[-1]])


def _guard_that_fails(guards: Guards, envelope: dict[str, Any]) -> str:
    for path, texts in guards.items():
        value = value_at(envelope, path)
        if not (type(value) is str and value in texts):
            name = ".".join(("event", *path))
            found = _value(envelope, ("event", *path))
            is_ = "does not exist" if found is None else f"is {found}"
            wanted = _some(sorted(texts))
            return f"{name} has to be {'one of ' if len(texts) > 1 else ''}{wanted}; it {is_}."
    return ""


def _some(texts: Sequence[str]) -> str:
    shown = ", ".join(map(_quoted, texts[:MAX_NAMED]))
    return f"{shown} and {len(texts) - MAX_NAMED} more" if len(texts) > MAX_NAMED else shown


def _quoted(text: str) -> str:
    return f"“{text}”" if len(text) <= MAX_VALUE else f"“{text[:MAX_VALUE]}…”"
