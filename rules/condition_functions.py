"""What conditions may call beyond CEL's own functions.

What they read and build counts: one evaluation may go through so many characters, also in a loop, and then fails.
"""

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Final, Literal, NamedTuple

from rules.topics import check_filter, levels_match

MAX_CHARACTERS: Final = 2_000_000
MAX_PARTS: Final = 1_000  # of split()

_LOWER: Final = str.maketrans(ascii_uppercase, ascii_lowercase)
_UPPER: Final = str.maketrans(ascii_lowercase, ascii_uppercase)

Kind = Literal["string", "int", "bool", "list"]


class Function(NamedTuple):
    """A function, or a method of its first parameter."""

    name: str
    takes: Sequence[Kind]
    gives: Kind
    is_method: bool
    call: Callable[..., Any]

    @property
    def usage(self) -> str:
        """How it is called, such as ``string.split(string)``."""
        takes = list(self.takes)
        on = f"{takes.pop(0)}." if self.is_method else ""
        return f"{on}{self.name}({', '.join(takes)})"


class _Allowance(threading.local):
    """What the present evaluation of a thread may still go through."""

    left: int = MAX_CHARACTERS


_allowance = _Allowance()


def begin() -> None:
    """Begin an evaluation."""
    _allowance.left = MAX_CHARACTERS


def _spend(characters: int) -> None:
    _allowance.left -= characters + 1
    if _allowance.left < 0:
        raise ValueError(f"The functions go through more than {MAX_CHARACTERS:,} characters for this event.")


def _lower(text: str) -> str:
    _spend(len(text))
    return text.lower() if text.isascii() else text.translate(_LOWER)


def _upper(text: str) -> str:
    _spend(len(text))
    return text.upper() if text.isascii() else text.translate(_UPPER)


def _trim(text: str) -> str:
    _spend(len(text))
    return text.strip()


def _split(text: str, separator: str) -> list[str]:
    _spend(len(text))
    parts = text.split(separator, MAX_PARTS) if separator else list(text[: MAX_PARTS + 1])
    if len(parts) > MAX_PARTS:
        raise ValueError(f"split() gives more than {MAX_PARTS:,} parts.")
    return parts


def _replace(text: str, old: str, new: str) -> str:
    _spend(len(text))
    _spend(max(0, len(text) + text.count(old) * (len(new) - len(old))))
    return text.replace(old, new)


def _topic_matches(topic_filter: str, topic: str) -> bool:
    _spend(len(topic_filter) + len(topic))
    levels = _levels(topic_filter)
    return bool(topic) and levels_match(levels, topic.split("/"))


@lru_cache(1024)
def _levels(topic_filter: str) -> list[str]:
    return check_filter(topic_filter).split("/")


def _cidr(network: str, address: str) -> bool:
    _spend(len(network) + len(address))
    return _address(address) in _network(network)


@lru_cache(1024)
def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        hint = " The bits behind its length have to be 0." if "host bits" in str(error) else ""
        raise ValueError(f"“{text[:50]}” is no network, such as 10.0.0.0/8 or 2001:db8::/32.{hint}") from None


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError(f"“{text[:50]}” is no IP address.") from None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


FUNCTIONS: Final = (
    Function("lowerAscii", ["string"], "string", True, _lower),
    Function("upperAscii", ["string"], "string", True, _upper),
    Function("trim", ["string"], "string", True, _trim),
    Function("split", ["string", "string"], "list", True, _split),
    Function("replace", ["string", "string", "string"], "string", True, _replace),
    Function("topic_matches", ["string", "string"], "bool", False, _topic_matches),
    Function("cidr", ["string", "string"], "bool", False, _cidr),
)
BY_NAME: Final = {function.name: function for function in FUNCTIONS}
