"""Filters of templates beyond the engine's own: times, numbers, durations, and texts escaped for a system.

The engine charges no fuel for them, so what they go through counts: one rendering may go through so many characters.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache, partial
from html import escape as escape_html
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

import orjson

from actions.escaping import ESCAPES
from connectors.types.base import TemplateFormat

MAX_CHARACTERS: Final = 2_000_000
MAX_DECIMALS: Final = 20
MAX_FORMAT: Final = 100
_COST_OF_TIME: Final = 200  # characters; reading a time costs as much as escaping so many

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?", re.ASCII | re.IGNORECASE)
_DIRECTIVES: Final = frozenset("YymdHIMSfpjaAbBuVGzZ%")
_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_LEFT_BY_QUOTE: Final = str.maketrans({sign: f"%{ord(sign):02X}" for sign in "_.-~"})


class FilterError(ValueError):
    """A value that a filter cannot take; ``filter`` is its name."""

    def __init__(self, name: str, message: str) -> None:
        self.filter = name
        super().__init__(message)


class _Allowance(threading.local):
    """What the present rendering of a thread may still go through."""

    left: int = MAX_CHARACTERS


_allowance = _Allowance()


def begin() -> None:
    """Begin a rendering."""
    _allowance.left = MAX_CHARACTERS


def _spend(name: str, characters: int) -> None:
    _allowance.left -= characters + 1
    if _allowance.left < 0:
        raise FilterError(name, f"The filters go through more than {MAX_CHARACTERS:,} characters for this event.")


def _written(name: str, value: Any) -> str:
    """Return a value as text, as a text field has it. The engine gives None for what is missing, too."""
    if value is None:
        raise FilterError(name, f'{name} has nothing to write: the value is null or missing. Try default("-", true).')
    text = str(value) if isinstance(value, str) else _dumped(name, value)
    _spend(name, len(text))
    return text


def _dumped(name: str, value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # An integer beyond 64 bits.
        try:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        except (TypeError, ValueError):
            raise FilterError(name, f"{name} cannot write this value.") from None


# --- Times


def check_date_format(text: str) -> str:
    """Return what is wrong with the format of a date, "" for nothing."""
    if len(text) > MAX_FORMAT:
        return f"A format of dates has at most {MAX_FORMAT} characters."
    for found in re.finditer(r"%(.?)", text, re.DOTALL):
        if found[1] not in _DIRECTIVES or not found[1]:
            return f"There is no “{found[0]}” in formats of dates."
    return ""


def check_zone(name: str) -> str:
    """Return what is wrong with the name of a time zone, "" for nothing."""
    try:
        _zone(name)
    except ValueError as error:
        return str(error)
    return ""


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ValueError(f"There is no time zone “{name[:60]}”; write one such as Europe/Berlin.") from None


def _date(value: Any, format: Any = "%Y-%m-%d %H:%M:%S", tz: Any = "UTC") -> str:  # noqa: A002  templates name it
    for argument in (format, tz):
        if not isinstance(argument, str):
            raise FilterError("date", "date takes a format and a time zone, both of them texts.")
    moment = _moment("date", value)
    if fault := check_date_format(format) or check_zone(tz):
        raise FilterError("date", fault)
    try:
        return moment.astimezone(_zone(tz)).strftime(format)
    except (OverflowError, ValueError):
        raise FilterError("date", "This time lies outside of the years that there are.") from None


def _timestamp(value: Any) -> int | float:
    seconds = (_moment("timestamp", value) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    return int(seconds) if seconds.is_integer() else seconds


def _moment(name: str, value: Any) -> datetime:
    """Return the time that a text says, as ISO 8601 has it (without a zone in UTC), or seconds since 1970."""
    _spend(name, _COST_OF_TIME)
    if isinstance(value, str) and _TIME.fullmatch(value) and len(value) < MAX_FORMAT:
        try:
            moment = datetime.fromisoformat(value.upper())
        except ValueError:
            raise FilterError(name, f"“{value}” is no time.") from None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, ValueError, OSError):
            raise FilterError(name, "This time lies outside of the years that there are.") from None
    raise FilterError(name, f"{name} needs a time, such as 2026-03-01T12:30:00Z, or seconds since 1970.")


# --- Numbers


def _number(value: Any, decimals: Any = None, thousands: Any = ",", decimal: Any = ".") -> str:
    number = _figure("number", value)
    for sign in (thousands, decimal):
        if not isinstance(sign, str) or len(sign) > 1:
            raise FilterError("number", "number takes one sign between thousands and one before decimals.")
    if decimals is None:
        text = f"{number:,}"
    elif isinstance(decimals, int) and not isinstance(decimals, bool) and 0 <= decimals <= MAX_DECIMALS:
        text = f"{number:,.{decimals}f}"
    else:
        raise FilterError("number", f"number takes 0 to {MAX_DECIMALS} decimals.")
    return text.translate({ord(","): thousands, ord("."): decimal})


def _figure(name: str, value: Any) -> int | float:
    _spend(name, 1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FilterError(name, f"{name} needs a number.")
    return value


def _times(value: Any, factor: Any) -> Any:
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in (value, factor)):
        raise FilterError("times", "times needs two numbers.")
    return value * factor


def _duration(value: Any) -> str:
    """Return seconds in words: the two greatest units, ``1 h 5 min``; milliseconds below a second."""
    seconds = _figure("duration", value)
    sign, size = ("-" if seconds < 0 else ""), abs(seconds)
    if 0 < size < 1:
        return f"{sign}{round(size * 1000)} ms"
    try:
        left = int(size)
    except (OverflowError, ValueError):
        raise FilterError("duration", "duration needs a number that is finite.") from None
    parts = []
    for unit, length in _UNITS:
        count, left = divmod(left, length)
        parts.append(f"{count:,} {unit}" if count else "")
    first = next((at for at, part in enumerate(parts) if part), len(parts) - 1)
    return sign + (" ".join(part for part in parts[first : first + 2] if part) or "0 s")


# --- Texts


def _truncate(value: Any, length: Any = 255, end: Any = "…") -> str:
    text = _written("truncate", value)
    if isinstance(length, bool) or not isinstance(length, int) or not isinstance(end, str) or length < len(end):
        raise FilterError("truncate", "truncate takes a number of characters, and a text that fits into them.")
    return text if len(text) <= length else text[: length - len(end)] + end


def json_text(value: Any) -> str:
    """Return a value as JSON, for the filters json and tojson."""
    text = _dumped("json", value)
    _spend("json", len(text))
    return text


def _escape(name: str, escape: Callable[[str], str], value: Any) -> str:
    return escape(_written(name, value))


def _quote(text: str) -> str:
    return quote(text, safe="")


def _quote_all(text: str) -> str:
    """Return text percent-encoded so that no markup takes a sign of it: it is escaped once more, and not changed."""
    return _quote(text).translate(_LEFT_BY_QUOTE)


_ESCAPING: Final[dict[str, Callable[[str], str]]] = {
    **dict(ESCAPES.items()),
    "html": escape_html,
}
_MARKDOWN: Final = ("markdown", "commonmark")
_TELEGRAM: Final = ("telegram", "telegram_html", "telegram_markdown")
# The escaping filters that would do again what the format of a field does already.
_DONE_ALREADY: Final[Mapping[str, tuple[str, ...]]] = {
    "url": ("url", "urlencode"),
    **dict.fromkeys(_MARKDOWN, _MARKDOWN),
    **dict.fromkeys(_TELEGRAM, (*_TELEGRAM, "html")),
    "servicenow_html": ("servicenow_html", "servicenow", "html"),
    "slack": ("slack",),
    "discord": ("discord",),
    "jira": ("jira",),
    "servicenow": ("servicenow",),
}

_PLAIN: Final[dict[str, Callable[..., Any]]] = {
    "date": _date,
    "timestamp": _timestamp,
    "number": _number,
    "times": _times,
    "duration": _duration,
    "truncate": _truncate,
    **{name: partial(_escape, name, escape) for name, escape in _ESCAPING.items()},
}
OWN_FILTERS: Final = frozenset({*_PLAIN, "json", "tojson", "url"})


def filters_of(form: TemplateFormat) -> dict[str, Callable[..., Any]]:
    """Return the filters for fields of this format."""
    encode = _quote_all if form in ESCAPES else _quote
    return {**_PLAIN, "url": partial(_escape, "url", encode), "json": json_text, "tojson": json_text}


def repeated_escape(form: TemplateFormat, name: str) -> str:
    """Return why this filter would escape a second time in fields of the format, "" where it does not."""
    if name not in _DONE_ALREADY.get(form, ()):
        return ""
    how = "encoded" if form == "url" else "escaped"
    return f"Values are {how} here already; leave out {name}."
