"""A strict JSON reader as simple as can be: a character at a time, every rule at its place. Slow, to be believed."""

import math
from typing import Any

MAX_DEPTH = 64
MAX_KEY = 1024
ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Fault(Exception):
    """The text is not strict JSON."""


def read(text: bytes) -> Any:
    """Return the value; raise Fault."""
    try:
        reader = _Reader(text.decode("utf-8"))
    except UnicodeDecodeError:
        raise Fault("UTF-8") from None
    reader.skip_space()
    value = reader.value(0)
    reader.skip_space()
    if reader.position != len(reader.text):
        raise Fault("more than one value")
    return value


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def take(self, expected: str = "") -> str:
        sign = self.peek()
        if not sign or (expected and sign != expected):
            raise Fault(f"{sign!r} for {expected!r}")
        self.position += 1
        return sign

    def skip_space(self) -> None:
        while self.peek() and self.peek() in " \t\n\r":
            self.position += 1

    def value(self, depth: int) -> Any:
        match self.peek():
            case "{" | "[" if depth == MAX_DEPTH:
                raise Fault("depth")
            case "{":
                return self.members(depth + 1)
            case "[":
                return self.items(depth + 1)
            case '"':
                return self.string()
            case "-" | "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9":
                return self.number()
        for word, meaning in (("true", True), ("false", False), ("null", None)):
            if self.text.startswith(word, self.position):
                self.position += len(word)
                return meaning
        raise Fault("no value")

    def members(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.take("{")
        self.skip_space()
        while self.peek() != "}":
            if found:
                self.take(",")
                self.skip_space()
            key = self.string()
            if key in found or len(key) > MAX_KEY:
                raise Fault("key")
            self.skip_space()
            self.take(":")
            self.skip_space()
            found[key] = self.value(depth)
            self.skip_space()
        self.take("}")
        return found

    def items(self, depth: int) -> list[Any]:
        found: list[Any] = []
        self.take("[")
        self.skip_space()
        while self.peek() != "]":
            if found:
                self.take(",")
                self.skip_space()
            found.append(self.value(depth))
            self.skip_space()
        self.take("]")
        return found

    def string(self) -> str:
        self.take('"')
        found = ""
        while (sign := self.take()) != '"':
            if sign < " ":
                raise Fault("control character")
            found += self.escaped() if sign == "\\" else sign
        if "\0" in found:
            raise Fault("NUL")
        return found

    def escaped(self) -> str:
        sign = self.take()
        if sign != "u":
            if sign not in ESCAPES:
                raise Fault("escape")
            return ESCAPES[sign]
        unit = self.four_digits()
        if 0xDC00 <= unit < 0xE000:
            raise Fault("lone surrogate")
        if 0xD800 <= unit < 0xDC00:
            self.take("\\")
            self.take("u")
            low = self.four_digits()
            if not 0xDC00 <= low < 0xE000:
                raise Fault("lone surrogate")
            unit = 0x10000 + (unit - 0xD800 << 10) + (low - 0xDC00)
        return chr(unit)

    def four_digits(self) -> int:
        digits = "".join(self.take() for _ in range(4))
        if any(digit not in "0123456789abcdefABCDEF" for digit in digits):
            raise Fault("escape")
        return int(digits, 16)

    def number(self) -> int | float:
        start = self.position
        if self.peek() == "-":
            self.take()
        if self.peek() == "0":
            self.take()
        else:
            self.digits()
        is_integer = True
        if self.peek() == ".":
            is_integer = False
            self.take()
            self.digits()
        if self.peek() and self.peek() in "eE":
            is_integer = False
            self.take()
            if self.peek() and self.peek() in "+-":
                self.take()
            self.digits()
        literal = self.text[start : self.position]
        if not is_integer:
            real = float(literal)
            if math.isinf(real):
                raise Fault("range")
            return real
        if len(literal) > 20 or not -(2**63) <= int(literal) < 2**63:
            raise Fault("range")
        return int(literal)

    def digits(self) -> None:
        if self.take() not in "0123456789":
            raise Fault("digit")
        while self.peek() and self.peek() in "0123456789":
            self.take()
