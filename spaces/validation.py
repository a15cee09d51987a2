"""Checks that the services of every app share: each returns the clean value or raises InvalidInput."""

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from pydantic import BaseModel
from pydantic import ValidationError as ModelError
from pydantic_core import ErrorDetails

from spaces.errors import FieldError, InvalidInput
from spaces.public_ids import generate_public_id, validate_public_id

MAX_NAME = 200
MAX_TAGS = 20
MAX_TAG = 50
MAX_DEPTH = 64

# Controls, lone surrogates, line separators, and signs that reorder the text around them (Unicode TR #36).
_BANNED_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
_REORDERING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# What PostgreSQL's jsonb and UTF-8 refuse.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

ModelT = TypeVar("ModelT", bound=BaseModel)


class Findings:
    """Gathers the errors of several checks, so that a person sees all of them at once."""

    def __init__(self) -> None:
        self._errors: list[FieldError] = []

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Keep the InvalidInput that the block raises, and go on after it."""
        try:
            yield
        except InvalidInput as invalid:
            self._errors.extend(invalid.errors)

    def raise_any(self) -> None:
        """Raise InvalidInput with all that was gathered, if anything was."""
        if self._errors:
            raise InvalidInput(self._errors)


def reject(pointer: str, detail: str) -> InvalidInput:
    """Return the InvalidInput with this one error."""
    return InvalidInput([FieldError(pointer, detail)])


def extend(pointer: str, *parts: str | int) -> str:
    """Return ``pointer`` with these parts after it, escaped as RFC 6901 says."""
    return pointer + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def clean_name(value: str, pointer: str = "/name", longest: int = MAX_NAME) -> str:
    """Return the name in Unicode NFC, without spaces around it: one line of 1 to ``longest`` characters."""
    name = unicodedata.normalize("NFC", value).strip()
    if bad := next((sign for sign in name if _is_banned(sign)), None):
        raise reject(pointer, f"Take out the invisible character U+{ord(bad):04X}.")
    if not any(sign.isprintable() and not sign.isspace() for sign in name):
        raise reject(pointer, "This must not be empty.")
    if len(name) > longest:
        raise reject(pointer, f"Use at most {longest} characters; these are {len(name)}.")
    return name


def copied_name(name: str) -> str:
    """Return what the copy of something with this name is called, where nobody says it."""
    return f"{name[: MAX_NAME - 7]} (copy)"


def clean_tags(values: Iterable[str], pointer: str = "/tags") -> list[str]:
    """Return the tags, cleaned like names, each once: at most 20 of at most 50 characters."""
    found, tags = Findings(), list[str]()
    for position, value in enumerate(values):
        with found.gather():
            tags.append(clean_name(value, extend(pointer, position), MAX_TAG))
    found.raise_any()
    distinct = list(dict.fromkeys(tags))
    if len(distinct) > MAX_TAGS:
        raise reject(pointer, f"Use at most {MAX_TAGS} tags; these are {len(distinct)}.")
    return distinct


def clean_number(value: int, pointer: str, low: int, high: int) -> int:
    """Return ``value`` if it stands from ``low`` to ``high``."""
    if not low <= value <= high:
        raise reject(pointer, f"Use a whole number from {low} to {high}.")
    return value


def clean_public_id(value: str | None, prefix: str) -> str:
    """Return the caller's public id if it has the form of one, or a fresh one where the caller chose none."""
    if value is None:
        return generate_public_id(prefix)
    try:
        validate_public_id(value)
    except ValidationError as error:
        raise reject("/id", " ".join(error.messages)) from None
    return value


@contextmanager
def distinct_id(siblings: QuerySet[Any], **public_id: str) -> Iterator[None]:
    """Raise InvalidInput at ``/id`` when the block's insert clashes with the row that already has this id."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        if not siblings.filter(**public_id).exists():
            raise
        taken = ", ".join(public_id.values())
    else:
        return
    raise reject("/id", f'The ID "{taken}" is already taken.')


def check_storable(value: Any, pointer: str) -> None:
    """Refuse JSON that not every database keeps: NUL, lone surrogates, NaN, infinities, more than 64 levels."""
    if errors := list(_unstorable(value, pointer, MAX_DEPTH)):
        raise InvalidInput(errors)


def parse_model(
    model: type[ModelT], value: Any, pointer: str, *, context: Any = None, is_strict: bool = False
) -> ModelT:
    """Return ``value`` as a ``model``; raise InvalidInput that says for each field what is wrong.

    With ``is_strict`` it is JSON that can be stored, and its types are taken as they are: ``"1"`` is no number. The
    error carries no input: neither in its texts nor as a chained exception.
    """
    try:
        if is_strict:
            return model.model_validate_json(json.dumps(value), context=context, strict=True)
        return model.model_validate(value, context=context)
    except ModelError as error:
        details = error.errors(include_url=False, include_input=False)
    # A list all of whose items are refused is also too short, which is no news.
    parents = {detail["loc"][:-1] for detail in details}
    details = [each for each in details if each["type"] != "too_short" or each["loc"] not in parents]
    raise InvalidInput(FieldError(extend(pointer, *detail["loc"]), _describe(detail)) for detail in details)


def first_fault(error: ModelError) -> str:
    """Return the first thing that is wrong, for a line: ``place: what``, without a place where all of it is wrong."""
    detail = error.errors(include_url=False, include_input=False)[0]
    place = "/".join(map(str, detail["loc"]))
    return f"{place}: {_describe(detail)}" if place else _describe(detail)


def _is_banned(sign: str) -> bool:
    return unicodedata.category(sign) in _BANNED_CATEGORIES or sign in _REORDERING


def _describe(detail: ErrorDetails) -> str:
    """Return what pydantic found, in words for a person."""
    match detail["type"]:
        case "missing":
            return "This field is required."
        case "extra_forbidden":
            return "There is no such field."
        case "model_type" | "dict_type" | "model_attributes_type":
            return "Give an object of fields and values."
        case "value_error" | "assertion_error":
            return str(detail["ctx"]["error"])
        case "list_type" | "tuple_type" | "set_type" | "frozen_set_type":
            return "Give a list."
        case "int_type" | "int_parsing" | "int_from_float":
            return "Give a whole number."
        case "float_type" | "float_parsing":
            return "Give a number."
        case "bool_type" | "bool_parsing":
            return "Give true or false."
        case "too_short":
            return f"Give at least {detail['ctx']['min_length']}."
        case "too_long":
            return f"Give at most {detail['ctx']['max_length']}."
        case "string_type":
            return "Give a string."
        case _:
            return f"{detail['msg']}."


def _unstorable(value: Any, pointer: str, levels: int) -> Iterator[FieldError]:
    match value:
        case str() if bad := _unstorable_text(value):
            yield FieldError(pointer, bad)
        case float() if not math.isfinite(value):
            yield FieldError(pointer, "Use a finite number.")
        case dict() | list() | tuple() if levels == 0:
            yield FieldError(pointer, f"Nest at most {MAX_DEPTH} levels.")
        case dict():
            for key, item in value.items():
                if bad := _unstorable_text(str(key)):
                    yield FieldError(pointer, f"In a field's name: {bad}")
                else:
                    yield from _unstorable(item, extend(pointer, key), levels - 1)
        case list() | tuple():
            for position, item in enumerate(value):
                yield from _unstorable(item, extend(pointer, position), levels - 1)


def _unstorable_text(text: str) -> str:
    bad = _UNSTORABLE.search(text)
    return f"Take out the character U+{ord(bad.group()):04X}, which cannot be stored." if bad else ""
