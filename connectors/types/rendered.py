"""What templates yield, held to what a system takes.

A choice is checked when an action is saved, unless it is a template, and again when the message is sent.
"""

from collections.abc import Collection
from typing import Any, Final

from connectors.types.base import is_template
from connectors.types.conversations import BadMessage

_CUT_OFF: Final = "..."
_MOST_SHOWN: Final = 60  # characters of a wrong value


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


def _length(text: str) -> int:
    return len(text) + sum(1 for character in text if character > "\uffff")
