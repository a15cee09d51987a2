"""Conditions: CEL expressions over one event, checked when saved and bounded when run.

The language is https://github.com/google/cel-spec with the variables ``event`` and ``now``, the extensions ``math`` and
``optional`` (``event.data.?site.orValue("")``), and the functions of rules.condition_functions. What could use memory
without end is left out: the library's string extension, ``map()``, ``filter()`` and ``bytes()``; ``+`` is rationed,
since it also joins texts.

Env, Condition and its program are safe to share between threads; a Bound belongs to one thread.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
from cel_expr_python import cel
from cel_expr_python.ext import ext_math, ext_optional

from rules.condition_functions import BY_NAME, FUNCTIONS, Function, begin
from rules.condition_messages import ConditionError, compile_error, explain, sentence, type_names
from rules.condition_text import Token, called, paths_of, position, tokens_of
from spaces.validation import reject

__all__ = ["Bound", "Condition", "ConditionError", "Match", "bind", "clean_condition", "compile_condition"]

MAX_LENGTH = 4096
# Ten thousand rounds of a loop, the library's budget, times what 1,000 characters can build, is some 100 MB.
MAX_LOOP_LENGTH = 1000
# Each + may copy the event's longest text once more.
MAX_ADDITIONS = 16
MAX_REASON_LENGTH = 300
MAX_DEPTH = 254  # of orjson

_CONFIG = """
stdlib:
  exclude_macros: [map, filter]
  exclude_functions:
    - name: bytes
"""
_KINDS = {
    "string": cel.Type.STRING,
    "int": cel.Type.INT,
    "bool": cel.Type.BOOL,
    "list": cel.Type.List(cel.Type.STRING),
}


def _declared(function: Function) -> cel.FunctionDecl:
    overload = cel.Overload(
        f"switchyard_{function.name}",
        _KINDS[function.gives],
        [_KINDS[kind] for kind in function.takes],
        function.is_method,
        function.call,
    )
    return cel.FunctionDecl(function.name, [overload])


_ENV = cel.NewEnv(
    config=cel.NewEnvConfigFromYaml(_CONFIG),
    variables={"event": cel.Type.Map(cel.Type.STRING, cel.Type.DYN), "now": cel.Type.TIMESTAMP},
    extensions=[ext_math.ExtMath(), ext_optional.ExtOptional()],
    functions=[_declared(function) for function in FUNCTIONS],
)


class Match:
    """Whether a condition matched. ``reason`` says what stopped it, "" when it was plainly true or false."""

    __slots__ = ("_error", "_explain", "matched")

    def __init__(self, matched: bool, explain: Callable[[], str] = str, error: str = "") -> None:
        self.matched = matched
        self._error = error
        self._explain = explain

    @property
    def reason(self) -> str:
        """Worked out when asked for: most errors are a missing field that nobody looks at."""
        return self._explain()[:MAX_REASON_LENGTH]

    @property
    def is_failure(self) -> bool:
        """Whether the condition itself went wrong: not true, not false, and not for want of a field."""
        return bool(self._error) and not any(sign in self._error for sign in _NOT_THERE)


# What the library says of a field, a member or an element that an event does not have.
_NOT_THERE = ("Key not found in map", "SELECT to non-message", "Index error")

MATCHED = Match(True)
NOT_MATCHED = Match(False)


class Bound:
    """An event, converted once for all the conditions that look at it."""

    __slots__ = ("_timed", "activation", "event")

    def __init__(self, event: dict[str, Any]) -> None:
        self.event = event
        self.activation = _ENV.Activation({"event": event})
        self._timed: cel.Activation | None = None

    @property
    def timed(self) -> cel.Activation:
        """The event with ``now``, which is one time for all conditions; few of them ask for it."""
        if self._timed is None:
            self._timed = _ENV.Activation({"event": self.event, "now": datetime.now(UTC)})
        return self._timed


def bind(event: Mapping[str, Any]) -> Bound:
    """Return the event ready for conditions. Never raises.

    JSON stays what it is. What CEL cannot hold stands as text: an integer beyond 64 bits, and what is nested deeper
    than 254 levels as "…".
    """
    plain = dict(event)
    try:
        # orjson refuses in a microsecond what would crash the converter: huge integers, bad text, endless depth.
        orjson.dumps(plain, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        plain = _readable(plain, 0)
    return Bound(plain)


def _readable(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return value
    if isinstance(value, dict | list) and depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        return {_text(key): _readable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_readable(item, depth + 1) for item in value]
    return _text(value)


def _text(value: Any) -> str:
    # str() refuses integers of more than 4,300 digits; hex() takes any.
    text = hex(value) if isinstance(value, int) and value.bit_length() > 14_000 else str(value)
    return text.encode(errors="replace").decode()


_NOT_PLAIN = {*BY_NAME, "now"}


class Condition:
    """A condition that was checked. It is compiled when it first meets an event: a worker that starts has thousands."""

    __slots__ = ("_is_plain", "_program", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._program: cel.Expression | None = None
        self._is_plain = True  # without ``now`` and functions of ours

    def evaluate(self, bound: Bound) -> Match:
        """Return whether the event matches. Never raises: an error is "did not match", with its reason."""
        try:
            program = self._program or self._compile()
            # The program yields a boolean or an error, which is text here.
            value = program.eval(bound.activation if self._is_plain else self._begun(bound)).value()
        except RuntimeError as error:
            value = str(error)
        if value is True:
            return MATCHED
        if value is False:
            return NOT_MATCHED
        return Match(False, partial(self._why_not, value, bound.event), value)

    def _begun(self, bound: Bound) -> cel.Activation:
        begin()
        return bound.timed

    def _compile(self) -> cel.Expression:
        self._is_plain = all(token.text not in _NOT_PLAIN for token in tokens_of(self.text))
        # Reading a null or optional result of this library corrupts the interpreter's None or raises, so every program
        # is wrapped to yield a boolean or an error. The line break ends a trailing comment.
        self._program = _ENV.compile(f"({_expression(self.text)}\n) ? true : false")
        return self._program

    def _why_not(self, error: str, event: dict[str, Any]) -> str:
        if self._program is None:
            try:
                compile_condition(self.text)
            except ConditionError as fault:
                return str(fault)
        return explain(error, paths_of(list(tokens_of(self.text))), event)


def _expression(text: str) -> str:
    return text if text.strip() else "true"


def compile_condition(text: str) -> Condition:
    """Return the condition; raise ConditionError with the position of the first fault.

    Blank text matches every event.
    """
    if len(text) > MAX_LENGTH:
        raise ConditionError(f"The condition has {len(text):,} characters; at most {MAX_LENGTH:,} are allowed.")
    if unfit := re.search("[\x00\ud800-\udfff]", text):
        raise ConditionError("This character is not allowed.", *position(text, unfit.start()))
    tokens = list(tokens_of(text))
    begin()
    try:
        program = _ENV.compile(_expression(text))
    except RuntimeError as error:
        raise compile_error(str(error), tokens, text) from None
    result = program.return_type().name()
    if result not in ("BOOL", "DYN"):
        raise ConditionError(f"The condition gives {type_names(result.lower())}, not true or false.")
    _check_size(tokens, text)
    _check_literals(tokens, text)
    return Condition(text)


def clean_condition(text: str, pointer: str = "/condition") -> str:
    """Return a condition as it is stored, "" where it is blank; raise InvalidInput with the place of the fault."""
    try:
        compile_condition(text)
    except ConditionError as error:
        raise reject(pointer, f"line {error.line}, column {error.column}: {error.message}") from None
    return text if text.strip() else ""


_LOOPS = {"all", "exists", "exists_one"}


def _check_size(tokens: list[Token], text: str) -> None:
    """Refuse what could build gigabytes out of one event."""
    loop = next((token.text for token in called(tokens, _LOOPS)), "")
    additions = [token for token in tokens if token.text == "+"]
    if loop and additions:
        fault = f"“+” cannot be used in a condition with {loop}(); compare the parts, or subtract."
        raise ConditionError(fault, *position(text, additions[0].start))
    if loop and len(text) > MAX_LOOP_LENGTH:
        raise ConditionError(f"A condition with {loop}() may have at most {MAX_LOOP_LENGTH:,} characters.")
    if len(additions) > MAX_ADDITIONS:
        fault = f"There are more than {MAX_ADDITIONS} “+” in this condition."
        raise ConditionError(fault, *position(text, additions[MAX_ADDITIONS].start))


# What is tried with a text that is written out, by the function that it is the first or only argument of.
_TIME = 'timestamp("2026-01-01T00:00:00Z")'
_TRIALS = {
    "matches": '"".matches({})',
    "timestamp": "timestamp({0}) == timestamp({0})",
    "duration": "duration({0}) == duration({0})",
    "topic_matches": 'topic_matches({}, "")',
    "cidr": 'cidr({}, "::")',
    **{
        f"get{part}": f"{_TIME}.get{part}({{}}) == 0"
        for part in (
            *("FullYear", "Month", "Date", "DayOfMonth", "DayOfWeek", "DayOfYear"),
            *("Hours", "Minutes", "Seconds", "Milliseconds"),
        )
    },
}
_WITH_MORE = {"topic_matches", "cidr"}  # arguments, of which the text is the first


def _check_literals(tokens: Sequence[Token], text: str) -> None:
    """Refuse a pattern, time, filter or network that cannot be, where it is written out: ``.matches("…")``."""
    calls: list[str] = []
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if token.text == "(":
            calls.append(before.text)
        elif token.text == ")" and calls:
            calls.pop()
        elif token.kind == "string" and calls and calls[-1] in _TRIALS and before.text in "(,":
            name = calls[-1]
            if (before.text == "(" and after.text == ",") if name in _WITH_MORE else after.text == ")":
                fault = _ENV.compile(_TRIALS[name].format(token.text)).eval().value()
                if isinstance(fault, str):
                    raise ConditionError(sentence(fault), *position(text, token.start))
