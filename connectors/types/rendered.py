"""What templates yield, held to what a system takes.

A choice is checked when an action is saved, unless it is a template, and again when the message is sent.
"""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from connectors.types.base import is_template
from connectors.types.conversations import BadMessage

LONG: Final = 256 * 1024  # characters of a text that is cut or hashed: as many as a whole message may have
_CUT_OFF: Final = "..."
_MOST_SHOWN: Final = 60  # characters of a wrong value
_A_TIME: Final = "ISO 8601, such as 2026-11-30T08:00:00Z"
_TIME: Final = re.compile(r"\d{4}-?\d\d-?\d\d[T ]\d\d", re.ASCII)  # fromisoformat also takes days and weeks


def one_of(known: Collection[str], value: str) -> str:
    """Return a value of saved params that is one of ``known``, or a template; raise ValueError for a person."""
    if value not in known and not is_template(value):
        raise ValueError(f"Use one of {', '.join(known)}, or a template that yields one.")
    return value


def leave_unsaid(params: Any, sub_action: str, field: str) -> Any:
    """Return saved params without the default of a field, where this sub-action changes what somebody has made."""
    if isinstance(params, dict) and params.get("sub_action") == sub_action:
        return {field: "", **params}
    return params


def check_choice(field: str, value: str, known: Collection[str]) -> None:
    """Raise BadMessage, which names the field, unless a rendered value is one of ``known``."""
    if value not in known:
        raise BadMessage(f"{field} is {value[:_MOST_SHOWN]!r}; use one of {', '.join(known)}.")


def time_or_template(value: str) -> str:
    """Return a value of saved params that is empty, a time or a template; raise ValueError for a person."""
    if value and not _is_time(value) and not is_template(value):
        raise ValueError(f"Use {_A_TIME}, or a template that yields one.")
    return value


def check_time(field: str, value: str) -> None:
    """Raise BadMessage, which names the field, unless a rendered value is empty or a time."""
    if value and not _is_time(value):
        raise BadMessage(f"{field} is {value[:_MOST_SHOWN]!r}; use {_A_TIME}.")


def check_length(field: str, value: str, most: int) -> None:
    """Raise BadMessage, which names the field, for a text of more than so many characters, as systems in Java count."""
    if (length := _length(value)) > most:
        raise BadMessage(f"{field} has {length:,} characters; the system takes {most:,}.")


def cut(text: str, most: int) -> str:
    """Return a text with dots for what is beyond so many characters, as systems in Java count (UTF-16)."""
    if _length(text) <= most:
        return text
    units = text.encode("utf-16-le", "replace")[: 2 * (most - len(_CUT_OFF))]
    return units.decode("utf-16-le", "ignore") + _CUT_OFF


def _is_time(text: str) -> bool:
    if not _TIME.match(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _length(text: str) -> int:
    return len(text) + sum(1 for character in text if character > "\uffff")
