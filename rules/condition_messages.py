"""What the library says of conditions, in words for the person who wrote them."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from rules.condition_functions import BY_NAME
from rules.condition_text import Path, Token, called, position


class ConditionError(Exception):
    """The text is no condition. ``line`` and ``column`` count from 1; ``message`` is for a person."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        self.message = message
        self.line = line
        self.column = column
        super().__init__(f"Line {line}, column {column}: {message}")


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
_TYPES = re.compile(r"int64|uint64|null_type|dyn|google\.protobuf\.(?:Timestamp|Duration)")
_TYPE_NAMES = {
    "int64": "int",
    "uint64": "uint",
    "null_type": "null",
    "dyn": "any",
    "google.protobuf.Timestamp": "timestamp",
    "google.protobuf.Duration": "duration",
}


def compile_error(message: str, tokens: Sequence[Token], text: str) -> ConditionError:
    """Return the error of what the library does not compile, with the position of its first fault."""
    for token in called(tokens, {"map", "filter"}):
        fault = f"{token.text}() is not available in conditions; use exists(), exists_one() or all()."
        return ConditionError(fault, *position(text, token.start))
    found = _LOCATED.search(message)
    if not found or found[1] == "-1":
        depth = "The condition is nested too deeply; at most 32 levels are allowed."
        return ConditionError(depth if "recursion" in message else sentence(message))
    line, column, detail = int(found[1]), int(found[2]), found[3].removesuffix(" [INVALID_ARGUMENT]")
    here = text.split("\n")[line - 1]
    if unknown := re.match(r"undeclared reference to '(.*?)'", detail):
        return _unknown_name(unknown[1], here, line, column)
    if overload := _OVERLOAD.match(detail):
        return ConditionError(_no_overload(overload[1], overload[2]), line, column)
    return ConditionError(_syntax_error(detail), line, column)


def _unknown_name(name: str, here: str, line: int, column: int) -> ConditionError:
    if here[column - 1 : column] == "(":
        if name in BY_NAME:
            fault = f"{name}() takes something else: it is called as {BY_NAME[name].usage}."
            return ConditionError(fault, line, column - len(name))
        return ConditionError(f"There is no function {name}().", line, column - len(name))
    # The library points at the last dot of a.b.c; the unknown name is a.
    root, _, fields = name.partition(".")
    head = name.removesuffix(fields.rpartition(".")[2]).removesuffix(".")
    if fields and here[: column - 1].endswith(head):
        column -= len(head)
    return ConditionError(f"“{root}” is not known here; everything starts at “event” or “now”.", line, column)


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
    return sentence(detail)


def _not_expected(sign: str) -> str:
    hint = f" Write “{_MEANT[sign]}”." if sign in _MEANT else ""
    return f"“{sign}” is not expected here.{hint}"


def _no_overload(operation: str, types: str) -> str:
    """Say that an operator such as ``_?_:_``, ``@in`` or ``startsWith`` has no meaning for these types."""
    sign = operation.strip("_@").replace("_", " ") if operation[0] in "_@" else operation
    names = type_names(types)
    hint = " Convert one with double(…) or int(…)." if set(names.split(", ")) == {"int", "double"} else ""
    return f"“{sign}” does not work with ({names}).{hint}"


def type_names(types: str) -> str:
    """Return names of types as conditions write them."""
    return _TYPES.sub(lambda found: _TYPE_NAMES[found[0]], types)


def sentence(message: str) -> str:
    """Return the library's message as a sentence, for want of a better one."""
    text = re.sub(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$", "", message.strip()).strip()
    start = text[:1].upper() if text.split(" ")[0].isalpha() else text[:1]
    return start + text[1:] + ("." if text[-1:].isalnum() else "")


def explain(error: str, paths: Iterable[Path], event: dict[str, Any]) -> str:
    """Return in one sentence why an evaluation gave neither true nor false."""
    if missing := re.search(r'Key not found in map : "?(.*?)"?$', error, re.DOTALL):
        return _missing(missing[1], paths, event) or f"“{missing[1]}” does not exist."
    if "SELECT to non-message" in error:
        return _missing(None, paths, event) or "A field was read of a value that has no fields."
    if overload := _RUN_OVERLOAD.search(error):
        return _no_overload(overload[2], ", ".join(filter(None, [overload[1], overload[3]])))
    if index := re.search(r"Index error: index=(-?\d+) size=(\d+)", error):
        return f"There is no item {index[1]} in a list of {index[2]}."
    return next((plain for sign, plain in _PLAIN.items() if sign in error), "") or sentence(error)


def _missing(key: str | None, paths: Iterable[Path], event: dict[str, Any]) -> str:
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
