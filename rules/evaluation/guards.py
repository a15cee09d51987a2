"""Guards: what a condition demands at the least, read from its text, so that most rules need not be evaluated.

``event.type == "order" && event.data.site in ["a", "b"] && event.data.total > 100`` can only be true when
``event.data.site`` is "a" or "b". A guard never decides that a rule matches, only that it cannot.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from rules.condition_text import Path, Token, tokens_of

Guards = dict[Path, frozenset[str]]  # each path below ``event``, such as ("data", "site"), must hold one of its texts

_OPEN: Final = frozenset("([{")
_CLOSE: Final = frozenset(")]}")


def guards_of(condition: str) -> Guards:
    """Return the guards of a condition that compiles: its top-level ``&&`` parts that compare a path with texts.

    In CEL ``false && x`` is false even where x is an error, so one such part that fails decides against the whole.
    """
    guards: Guards = {}
    if '"' not in condition and "'" not in condition:
        return guards
    for part in _conjuncts(list(tokens_of(condition))):
        if guard := _guard(part):
            guards.setdefault(*guard)
    return guards


def value_at(envelope: dict[str, Any], path: Path) -> Any:
    """Return what stands at the path, None where nothing does."""
    node: Any = envelope
    for name in path:
        if type(node) is not dict:
            return None
        node = node.get(name)
    return node


def _conjuncts(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Yield the parts between top-level ``&&``; nothing when ``||`` or ``?`` stands on that level.

    A part that stands in brackets as a whole, as a named condition does, is looked through in turn.
    """
    for part in _parts(tokens):
        if _is_bracketed(part):
            yield from _conjuncts(part[1:-1])
        else:
            yield part


def _is_bracketed(tokens: Sequence[Token]) -> bool:
    if len(tokens) < 3 or tokens[0].text != "(" or tokens[-1].text != ")":
        return False
    depth = 0
    for token in tokens[:-1]:
        if token.kind == "sign":
            depth += (token.text in _OPEN) - (token.text in _CLOSE)
        if depth == 0:
            return False
    return True


def _parts(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == "sign":
            depth += (token.text in _OPEN) - (token.text in _CLOSE)
            if depth == 0 and token.text in "|?":
                return
            if depth == 0 and token.text == "&":
                if parts[-1]:
                    parts.append([])
                continue
        parts[-1].append(token)
    yield from parts


def _guard(part: Sequence[Token]) -> tuple[Path, frozenset[str]] | None:
    texts = [token.text for token in part]
    if texts[-3:-1] == ["=", "="]:
        path, values = _path(part[:-3]), _literals(part[-1:])
    elif texts[1:3] == ["=", "="]:
        path, values = _path(part[3:]), _literals(part[:1])
    elif "in" in texts and texts[texts.index("in") + 1 :][:1] == ["["] and texts[-1] == "]":
        at = texts.index("in")
        path, values = _path(part[:at]), _literals(part[at + 2 : -1])
    else:
        return None
    return (path, values) if path and values else None


def _path(tokens: Sequence[Token]) -> Path:
    """Return the path of ``event.a.b``, () for anything else."""
    texts = [token.text for token in tokens]
    names, dots = tokens[0::2], texts[1::2]
    if len(tokens) < 3 or len(tokens) % 2 == 0 or texts[0] != "event":
        return ()
    if any(dot != "." for dot in dots) or any(token.kind != "name" for token in names):
        return ()
    return tuple(texts[2::2])


def _literals(tokens: Sequence[Token]) -> frozenset[str]:
    """Return the texts of ``"a", "b"``, none for anything else: only what needs no unescaping counts."""
    values = [_literal(token) for token in tokens[0::2]]
    if any(value is None for value in values) or any(token.text != "," for token in tokens[1::2]):
        return frozenset()
    return frozenset(_texts(values))


def _literal(token: Token) -> str | None:
    text = token.text
    plain = token.kind == "string" and text[0] in "\"'" and text[:3] not in ('"""', "'''") and "\\" not in text
    return text[1:-1] if plain else None


def _texts(values: Iterable[str | None]) -> Iterator[str]:
    return (value for value in values if value is not None)
