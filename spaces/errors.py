"""Errors that services raise for a person to read; the API, admin and commands each show them their own way."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one place of the input. ``pointer`` is an RFC 6901 JSON pointer, "" for the whole."""

    pointer: str
    detail: str


class InvalidInput(Exception):
    """The input cannot be accepted, for every reason listed."""

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors: Sequence[FieldError] = tuple(errors)
        super().__init__("; ".join(f"{error.pointer or 'input'}: {error.detail}" for error in self.errors))


class InUse(Exception):
    """The object cannot be deleted: others refer to it. ``users`` are (kind, public id) pairs."""

    def __init__(self, message: str, users: Iterable[tuple[str, str]]) -> None:
        self.users: Sequence[tuple[str, str]] = tuple(users)
        super().__init__(message)


class QuotaReached(InvalidInput):
    """The space holds as much of something as it may; the message says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__([FieldError("", message)])


class ReadOnly(Exception):
    """The object is not written here; the message says where."""
