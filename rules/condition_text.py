"""The text of a condition as tokens, for the checks that the library does not make, and for guards."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    | (?P<string>[bB]?[rR][bB]?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')
      | [bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    | (?P<number>0[xX][0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)

Path = tuple[str, ...]


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


def position(text: str, start: int) -> tuple[int, int]:
    """Return line and column, from 1, of a place in the text."""
    before = text[:start]
    return before.count("\n") + 1, start - (before.rfind("\n") + 1) + 1


def called(tokens: Sequence[Token], names: set[str]) -> Iterator[Token]:
    """Yield the functions and macros with these names where they are called."""
    return (token for token, after in pairwise(tokens) if token.text in names and after.text == "(")


def paths_of(tokens: Sequence[Token]) -> Iterator[Path]:
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
