"""Strict JSON: what RFC 8259 leaves open is decided here, so that every later reader of an event sees the same.

Refused, besides what is not JSON: a key that repeats in its object, integers beyond 64 bit, numbers beyond a double,
NaN and infinities, NUL and text that is not Unicode, keys over 1,024 characters, more than 64 levels.

orjson reads, fast, but it keeps the last of repeated keys, rounds long integers and allows NUL. Tests on the bytes
prove that a text holds none of these; only a text that fails one is read again by the standard library, into a tree
that keeps everything, where the fault is looked for and its place is named.
"""

import math
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from json import JSONDecodeError, JSONDecoder
from typing import Any, NamedTuple

import orjson

from spaces.errors import FieldError, InvalidInput
from spaces.validation import MAX_DEPTH, extend, reject

MAX_KEY = 1024

_LARGEST = b"%d" % (2**63 - 1)
_DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_RUN = re.compile(rb"[0-9]{%d,}" % len(_LARGEST))
# NUL, and the escapes of a colon: see _is_faultless.
_TRAPS = (rb"\u0000", rb"\u003a", rb"\u003A")
_SPACE = re.compile(r"[ \t\n\r]*")
_STRING_OR_EXPONENT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9.]+e\+[0-9]+')
_NOT_UNICODE = re.compile("[\ud800-\udfff]")
# In its trees an object is a tuple of (key, value), an array a list, an integer its digits as bytes.
_TREES = JSONDecoder(object_pairs_hook=tuple, parse_int=str.encode)
_TOO_DEEP = f"Nest at most {MAX_DEPTH} levels."


class Document(NamedTuple):
    """JSON that was read: its value, and its compact form with sorted keys, in UTF-8."""

    value: Any
    canonical: bytes


class TooLarge(InvalidInput):
    """The input is longer than is taken (HTTP 413)."""


def read(text: bytes) -> Document:
    """Return the one value in ``text``; raise InvalidInput that names the first fault and its place."""
    try:
        document = _document(orjson.loads(text))
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise InvalidInput([_find_fault(text) or FieldError("", f"{error}.")]) from None
    if not _is_faultless(text, [document]) and (fault := _find_fault(text)):
        raise InvalidInput([fault])
    return document


def read_array(text: bytes, most: int) -> list[Document | InvalidInput]:
    """Return each element of the array in ``text``, or why it is refused, with pointers from the element.

    Raises InvalidInput when the text is not JSON or nested so deep that its elements cannot be told apart, TooLarge
    when they are more than ``most``.
    """
    try:
        values = orjson.loads(text)
        if type(values) is list:
            if len(values) > most:
                raise too_many(most)
            documents = [_document(value) for value in values]
            if _is_faultless(text, documents):
                return [*documents]
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        pass
    elements = list(islice(_elements(text), most + 1))
    if len(elements) > most:
        raise too_many(most)
    return elements


def canonical(value: Any) -> bytes:
    """Return the compact form with sorted keys, in UTF-8."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def storable(value: Any) -> str:
    """Return JSON text that every database gives back with the same types.

    PostgreSQL's jsonb writes no exponents: 1e+19 would come back as an integer, and one beyond 64 bit.
    """
    text = orjson.dumps(value).decode()
    return _STRING_OR_EXPONENT.sub(_without_exponent, text) if "e+" in text else text


def too_many(most: int) -> TooLarge:
    """Return the error of an array or of lines that are more than ``most``."""
    return TooLarge([FieldError("", f"Send at most {most:,} in one request.")])


def _without_exponent(found: re.Match[str]) -> str:
    token = found.group()
    return token if token.startswith('"') else f"{Decimal(token):f}.0"


def _document(value: Any) -> Document:
    return Document(value, canonical(value))


def _is_faultless(text: bytes, documents: Iterable[Document]) -> bool:
    """Whether ``text``, which orjson read as these documents, certainly has no fault.

    A colon stands in a text once for each member, and in strings. Reading drops the members whose key repeats, with
    their colons, and adds no colon but by an escape of one: without such escapes, equal counts mean no repeated key.
    """
    if b"\\" in text and any(trap in text for trap in _TRAPS):
        return False
    if b"0" * len(_LARGEST) in text.translate(_DIGITS_AS_ZERO) and any(
        len(run) > len(_LARGEST) or run > _LARGEST for run in _LONG_RUN.findall(text)
    ):
        return False
    return text.count(b":") == sum(document.canonical.count(b":") for document in documents) and all(
        map(_has_fair_shape, documents)
    )


def _has_fair_shape(document: Document) -> bool:
    """Whether no key is too long and no level too deep: told by the size of most documents, else by a look inside."""
    text = document.canonical
    if len(text) <= MAX_KEY and text.count(b"{") + text.count(b"[") <= MAX_DEPTH:
        return True
    level = [document.value]
    for _ in range(MAX_DEPTH + 1):
        level = [node for node in level if type(node) is dict or type(node) is list]
        if not level:
            return True
        children: list[Any] = []
        for node in level:
            if type(node) is dict:
                if node and max(map(len, node)) > MAX_KEY:
                    return False
                children.extend(node.values())
            else:
                children.extend(node)
        level = children
    return False


def _find_fault(text: bytes) -> FieldError | None:
    """Return the first fault of the one value in ``text``."""
    if text.startswith(BOM_UTF8):
        return FieldError("", "Take out the byte order mark at its beginning.")
    try:
        tree = _TREES.decode(_as_characters(text))
    except JSONDecodeError as error:
        return _not_json(error)
    except RecursionError:
        return FieldError("", _TOO_DEEP)
    return _fault_of(tree)


def _elements(text: bytes) -> Iterator[Document | InvalidInput]:
    """Yield the elements of the array in ``text``, each a document or its fault."""
    characters = _as_characters(text)
    position = _after_space(characters, 0)
    sign = characters[position : position + 1]
    try:
        if sign != "[":
            raise JSONDecodeError("Expecting an array", characters, position)
        while sign != "]":
            start = _after_space(characters, position + 1)
            tree, end = _TREES.raw_decode(characters, start)
            yield _element(characters[start:end], tree)
            position = _after_space(characters, end)
            sign = characters[position : position + 1]
            if sign not in ("]", ","):
                raise JSONDecodeError("Expecting ',' delimiter", characters, position)
        if (end := _after_space(characters, position + 1)) != len(characters):
            raise JSONDecodeError("Extra data", characters, end)
    except JSONDecodeError as error:
        raise InvalidInput([_not_json(error)]) from None
    except RecursionError:
        raise reject("", f"{_TOO_DEEP} {_line_and_column(characters, start)}") from None


def _element(characters: str, tree: Any) -> Document | InvalidInput:
    if fault := _fault_of(tree):
        return InvalidInput([fault])
    return _document(orjson.loads(characters))


def _fault_of(tree: Any) -> FieldError | None:
    """Return the first fault of a tree of ``_TREES``."""
    if type(tree) is tuple or type(tree) is list:
        return _fault_within(tree, (), MAX_DEPTH)
    return FieldError("", detail) if (detail := _fault_of_value(tree)) else None


def _fault_within(tree: Any, path: tuple[str | int, ...], levels: int) -> FieldError | None:
    """Return the first fault of an object or array that stands at ``path``, with so many levels left."""
    if not levels:
        return FieldError(extend("", *path), _TOO_DEEP)
    if type(tree) is tuple and (detail := _fault_of_keys([key for key, _ in tree])):
        return FieldError(extend("", *path), detail)
    for key, child in tree if type(tree) is tuple else enumerate(tree):
        if type(child) is tuple or type(child) is list:
            if fault := _fault_within(child, (*path, key), levels - 1):
                return fault
        elif detail := _fault_of_value(child):
            return FieldError(extend("", *path, key), detail)
    return None


def _fault_of_value(value: str | bytes | float | None) -> str:
    if type(value) is str:
        return _fault_of_text(value)
    if type(value) is bytes and (len(value) > len(_LARGEST) + 1 or not -(2**63) <= int(value) < 2**63):
        return "Integers go up to 64 bit; send a longer one as a string."
    if type(value) is float and not math.isfinite(value):
        return "Use a finite number, below 1.8e308; a larger one as a string."
    return ""


def _fault_of_keys(keys: list[str]) -> str:
    seen: set[str] = set()
    for key in keys:
        if detail := _fault_of_text(key):
            return f"In a key: {detail}"
        if len(key) > MAX_KEY:
            return f"A key has {len(key):,} characters; use at most {MAX_KEY:,}."
        if key in seen:
            return f"The key {key!r} stands here twice."
        seen.add(key)
    return ""


def _fault_of_text(text: str) -> str:
    if "\0" in text:
        return "Take out the character U+0000, which cannot be stored."
    if not text.isascii() and _NOT_UNICODE.search(text):
        return "This is not Unicode: it has a lone surrogate, or a byte that is not UTF-8."
    return ""


def _as_characters(text: bytes) -> str:
    # Bytes that are not UTF-8 become lone surrogates, so that they too are found at their place.
    return text.decode("utf-8", "surrogateescape")


def _after_space(characters: str, position: int) -> int:
    found = _SPACE.match(characters, position)
    return found.end() if found else position


def _not_json(error: JSONDecodeError) -> FieldError:
    return FieldError("", f"This is not JSON. {error.msg}: {_line_and_column(error.doc, error.pos)}")


def _line_and_column(characters: str, position: int) -> str:
    line = characters.count("\n", 0, position) + 1
    return f"line {line}, column {position - characters.rfind(chr(10), 0, position)}."
