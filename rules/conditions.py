"""Conditions: CEL expressions over one event, checked when saved and bounded when run.

The language is https://github.com/google/cel-spec with one variable, ``event``, and the extensions ``math`` and
``optional`` (``event.data.?site.orValue("")``). What could use memory without end is left out: the string
extension, ``map()``, ``filter()`` and ``bytes()``; ``+`` is rationed, since it also joins texts.

Env, Condition and its program are safe to share between threads; a Bound belongs to one thread.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import orjson
from cel_expr_python import cel
from cel_expr_python.ext import ext_math, ext_optional

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
_ENV = cel.NewEnv(
    config=cel.NewEnvConfigFromYaml(_CONFIG),
    variables={"event": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)},
    extensions=[ext_math.ExtMath(), ext_optional.ExtOptional()],
)


class ConditionError(Exception):
    """The text is no condition. ``line`` and ``column`` count from 1; ``message`` is for a person."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        self.message = message
        self.line = line
        self.column = column
        super().__init__(f"Line {line}, column {column}: {message}")


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

    __slots__ = ("activation", "event")

    def __init__(self, event: dict[str, Any]) -> None:
        self.event = event
        self.activation = _ENV.Activation({"event": event})


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


class Condition:
    """A compiled condition. Made by compile_condition."""

    __slots__ = ("_paths", "_program", "text")

    def __init__(self, text: str, program: cel.Expression, paths: "list[_Path]") -> None:
        self.text = text
        self._program = program
        self._paths = paths

    def evaluate(self, bound: Bound) -> Match:
        """Return whether the event matches. Never raises: an error is "did not match", with its reason."""
        try:
            # The program yields a boolean or an error, which is text here.
            value = self._program.eval(bound.activation).value()
        except RuntimeError as error:
            value = str(error)
        if value is True:
            return MATCHED
        if value is False:
            return NOT_MATCHED
        return Match(False, partial(_explain, value, self._paths, bound.event), value)


def compile_condition(text: str) -> Condition:
    """Return the condition; raise ConditionError with the position of the first fault.

    Blank text matches every event.
    """
    if len(text) > MAX_LENGTH:
        raise ConditionError(f"The condition has {len(text):,} characters; at most {MAX_LENGTH:,} are allowed.")
    if unfit := re.search("[\x00\ud800-\udfff]", text):
        raise ConditionError("This character is not allowed.", *_position(text, unfit.start()))
    expression = text if text.strip() else "true"
    tokens = list(tokens_of(expression))
    try:
        program = _ENV.compile(expression)
    except RuntimeError as error:
        raise _compile_error(str(error), tokens, text) from None
    result = program.return_type().name()
    if result not in ("BOOL", "DYN"):
        raise ConditionError(f"The condition gives {_type_names(result.lower())}, not true or false.")
    _check_size(tokens, text)
    _check_patterns(tokens, text)
    # Reading a null or optional result of this library corrupts the interpreter's None or raises, so every program
    # is wrapped to yield a boolean or an error. The line break ends a trailing comment.
    return Condition(text, _ENV.compile(f"({expression}\n) ? true : false"), list(_paths(tokens)))


# --- The text as tokens: for the checks that the library does not make ---

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    | (?P<string>[bB]?[rR][bB]?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')
      | [bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    | (?P<number>0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_LOOPS = {"all", "exists", "exists_one"}


class Token(NamedTuple):
    """A piece of a condition: kind is string, number, name or sign (one character)."""

    kind: str
    text: str
    start: int


def tokens_of(text: str) -> Iterator[Token]:
    """Yield the tokens of a condition, without white space and comments."""
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind != "space":
            yield Token(kind, match[0], match.start())


def _position(text: str, start: int) -> tuple[int, int]:
    before = text[:start]
    return before.count("\n") + 1, start - (before.rfind("\n") + 1) + 1


def _called(tokens: list[Token], names: set[str]) -> Iterator[Token]:
    return (token for token, after in pairwise(tokens) if token.text in names and after.text == "(")


def _check_size(tokens: list[Token], text: str) -> None:
    """Refuse what could build gigabytes out of one event."""
    loop = next((token.text for token in _called(tokens, _LOOPS)), "")
    additions = [token for token in tokens if token.text == "+"]
    if loop and additions:
        fault = f"“+” cannot be used in a condition with {loop}(); compare the parts, or subtract."
        raise ConditionError(fault, *_position(text, additions[0].start))
    if loop and len(text) > MAX_LOOP_LENGTH:
        raise ConditionError(f"A condition with {loop}() may have at most {MAX_LOOP_LENGTH:,} characters.")
    if len(additions) > MAX_ADDITIONS:
        fault = f"There are more than {MAX_ADDITIONS} “+” in this condition."
        raise ConditionError(fault, *_position(text, additions[MAX_ADDITIONS].start))


def _check_patterns(tokens: list[Token], text: str) -> None:
    """Refuse a regular expression that RE2 cannot run, where it is written out: ``.matches("…")``."""
    calls: list[str] = []
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if token.text == "(":
            calls.append(before.text)
        elif token.text == ")" and calls:
            calls.pop()
        elif token.kind == "string" and calls[-1:] == ["matches"] and before.text in "(," and after.text == ")":
            fault = _ENV.compile(f'"".matches({token.text})').eval().value()
            if isinstance(fault, str):
                raise ConditionError(_sentence(fault), *_position(text, token.start))


_Path = tuple[str, ...]


def _paths(tokens: list[Token]) -> Iterator[_Path]:
    """Yield each chain of fields that starts at ``event``, such as ("event", "data", "site")."""
    for index, token in enumerate(tokens):
        if token.text != "event" or (index and tokens[index - 1].text in (".", "?")):
            continue
        path = [token.text]
        rest = tokens[index + 1 :]
        while len(rest) > 1:
            if rest[0].text == "." and rest[1].kind == "name" and [t.text for t in rest[2:3]] != ["("]:
                path.append(rest[1].text)
                rest = rest[2:]
            elif rest[0].text == "[" and rest[1].kind == "string":
                path.append(rest[1].text.strip("\"'"))
                rest = rest[3:]
            else:
                break
        yield tuple(path)


# --- The library's messages in plain words ---

_LOCATED = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (?:Syntax error: )?(.*)")
_OVERLOAD = re.compile(r"(?i)found no matching overload for '(.*)' applied to '\((.*)\)'")
_RUN_OVERLOAD = re.compile(r"No matching overloads found : (?:\((\w+)\)\.)?(\S+?)\((.*)\)")
_UNEXPECTED = re.compile(r"(?:mismatched|extraneous|no viable alternative at) input '(.*?)'(?: expecting.*)?")
_MEANT = {"and": "&&", "or": "||", "not": "!", "=": "==", "=>": ">=", "=<": "<=", "&": "&&", "|": "||"}
_PLAIN = {
    "overloads found : @in": "“in” needs a list or an object on its right.",
    "overloads found : <iter_range>": "all(), exists() and exists_one() need a list or an object.",
    "overloads found": "A value that must be true or false is neither.",
    "Iteration budget": "The iteration budget is exceeded: the loops go round too often for this event.",
}
_TYPES = re.compile(r"int64|uint64|null_type|dyn")
_TYPE_NAMES = {"int64": "int", "uint64": "uint", "null_type": "null", "dyn": "any"}


def _compile_error(message: str, tokens: list[Token], text: str) -> ConditionError:
    for token in _called(tokens, {"map", "filter"}):
        fault = f"{token.text}() is not available in conditions; use exists(), exists_one() or all()."
        return ConditionError(fault, *_position(text, token.start))
    found = _LOCATED.search(message)
    if not found or found[1] == "-1":
        depth = "The condition is nested too deeply; at most 32 levels are allowed."
        return ConditionError(depth if "recursion" in message else _sentence(message))
    line, column, detail = int(found[1]), int(found[2]), found[3].removesuffix(" [INVALID_ARGUMENT]")
    here = text.split("\n")[line - 1]
    if unknown := re.match(r"undeclared reference to '(.*?)'", detail):
        return _unknown_name(unknown[1], here, line, column)
    if overload := _OVERLOAD.match(detail):
        return ConditionError(_no_overload(overload[1], overload[2]), line, column)
    return ConditionError(_syntax_error(detail), line, column)


def _unknown_name(name: str, here: str, line: int, column: int) -> ConditionError:
    if here[column - 1 : column] == "(":
        return ConditionError(f"There is no function {name}().", line, column - len(name))
    # The library points at the last dot of a.b.c; the unknown name is a.
    root, _, fields = name.partition(".")
    head = name.removesuffix(fields.rpartition(".")[2]).removesuffix(".")
    if fields and here[: column - 1].endswith(head):
        column -= len(head)
    return ConditionError(f"“{root}” is not known here; everything starts at “event”.", line, column)


def _syntax_error(detail: str) -> str:
    if missing := re.match(r"missing '(.*?)' at", detail):
        return f"“{missing[1]}” is missing here."
    if stray := re.match(r"token recognition error at: '(.*)'", detail):
        if stray[1][:1] in "\"'":
            escape = ' Write “\\” twice, or put the text in r"…".' if "\\" in stray[1] else ""
            return f"This text has no proper end.{escape}"
        return _not_expected(stray[1].strip())
    if unexpected := _UNEXPECTED.match(detail):
        if unexpected[1] == "<EOF>":
            return "The condition ends too early: something is missing here."
        return _not_expected(unexpected[1])
    return _sentence(detail)


def _not_expected(sign: str) -> str:
    hint = f" Write “{_MEANT[sign]}”." if sign in _MEANT else ""
    return f"“{sign}” is not expected here.{hint}"


def _no_overload(operation: str, types: str) -> str:
    """Say that an operator such as ``_?_:_``, ``@in`` or ``startsWith`` has no meaning for these types."""
    sign = operation.strip("_@").replace("_", " ")
    names = _type_names(types)
    hint = " Convert one with double(…) or int(…)." if set(names.split(", ")) == {"int", "double"} else ""
    return f"“{sign}” does not work with ({names}).{hint}"


def _type_names(types: str) -> str:
    return _TYPES.sub(lambda found: _TYPE_NAMES[found[0]], types)


def _sentence(message: str) -> str:
    text = re.sub(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$", "", message.strip()).strip()
    start = text[:1].upper() if text.split(" ")[0].isalpha() else text[:1]
    return start + text[1:] + ("." if text[-1:].isalnum() else "")


def _explain(error: str, paths: list[_Path], event: dict[str, Any]) -> str:
    """Return in one sentence why an evaluation gave neither true nor false."""
    if missing := re.search(r'Key not found in map : "?(.*?)"?$', error, re.DOTALL):
        return _missing(missing[1], paths, event) or f"“{missing[1]}” does not exist."
    if "SELECT to non-message" in error:
        return _missing(None, paths, event) or "A field was read of a value that has no fields."
    if overload := _RUN_OVERLOAD.search(error):
        return _no_overload(overload[2], ", ".join(filter(None, [overload[1], overload[3]])))
    if index := re.search(r"Index error: index=(-?\d+) size=(\d+)", error):
        return f"There is no item {index[1]} in a list of {index[2]}."
    return next((plain for sign, plain in _PLAIN.items() if sign in error), "") or _sentence(error)


def _missing(key: str | None, paths: list[_Path], event: dict[str, Any]) -> str:
    """Name the first path of the condition that the event does not have; it breaks at ``key``, when that is known."""
    for path in paths:
        value: Any = event
        parent = path[0]
        for name in path[1:]:
            if not isinstance(value, dict):
                if key is None:
                    return f"{parent} has no fields, so {parent}.{name} does not exist."
                break
            if name not in value:
                if name == key:
                    return f"{parent}.{name} does not exist."
                break
            value = value[name]
            parent += f".{name}"
    return ""
