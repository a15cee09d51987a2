"""Addresses of mailboxes, read in one way only, and which of them may get messages.

Source: RFC 5321, section 4.1.2, and RFC 6531 for letters beyond ASCII. Quoted local parts, comments, groups and
addresses in place of a domain are not taken: what one parser takes for the domain, another may not.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formataddr
from fnmatch import fnmatchcase
from typing import Final

from connectors.net.urls import BadUrl, parse_host

MAX_ADDRESS: Final = 512  # characters, display name included
_MAX_LOCAL: Final = 64  # bytes (RFC 5321, section 4.5.3.1.1)
_MAX_SPEC: Final = 254
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]+"
_LOCAL: Final = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_NAMED: Final = re.compile(r"(?P<name>[^<>]*)<(?P<spec>[^<>]*)>")
# Line breaks and other controls, also those beyond ASCII, and what reorders text on a screen.
CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class BadAddress(ValueError):
    """This is not the address of one mailbox."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox: ``spec`` is local part and domain, the domain in ASCII; ``name`` is what a person reads."""

    name: str
    spec: str

    @property
    def domain(self) -> str:
        return self.spec.rpartition("@")[2]

    @property
    def is_international(self) -> bool:
        """Whether the server must know SMTPUTF8 to take it."""
        return not self.spec.isascii()

    def __str__(self) -> str:
        """As a header has it: a name beyond ASCII encoded (RFC 2047), others quoted."""
        if self.is_international:
            # formataddr takes no such address, and encodes the name alone.
            return formataddr((self.name, "x@x")).removesuffix("<x@x>") + f"<{self.spec}>" if self.name else self.spec
        return formataddr((self.name, self.spec))


def parse_mailbox(text: str) -> Mailbox:
    """Return the mailbox that ``user@example.com`` or ``Name <user@example.com>`` stands for; raise BadAddress."""
    text = text.strip(" ")
    if CONTROLS.search(text):
        raise BadAddress("has a line break or another control character")
    named = _NAMED.fullmatch(text)
    name, spec = (named["name"].strip(' "'), named["spec"].strip(" ")) if named else ("", text)
    local, at, domain = spec.rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or len(local.encode()) > _MAX_LOCAL:
        raise BadAddress(f"is {_short(text)!r}, and not one address such as user@example.com")
    try:
        host = parse_host(domain)
    except BadUrl:
        raise BadAddress(f"is {_short(text)!r}, whose domain is not valid") from None
    spec = f"{local}@{host}"
    if len(spec.encode()) > _MAX_SPEC or host.replace(".", "").isdigit():
        raise BadAddress(f"is {_short(text)!r}, whose domain is not valid")
    return Mailbox(name, spec)


def check_pattern(pattern: str) -> str:
    """Return what an allow-list has, in lower case and ASCII; raise ValueError for a person.

    ``example.com`` is a domain, ``*.example.com`` its subdomains, ``*`` all; ``user@example.com`` is an address, whose
    part before the @ may have ``*`` for any letters.
    """
    pattern = pattern.strip().lower()
    if pattern == "*":
        return pattern
    local, at, domain = pattern.rpartition("@")
    stars = "*." if domain.startswith("*.") else ""
    try:
        host = parse_host(domain.removeprefix(stars))
    except BadUrl:
        host = ""
    if not host or (at and not re.fullmatch(r"[^\s@<>,;:\"()\[\]\\]+", local)):
        raise ValueError(f"{pattern[:100]!r} is neither a domain nor an address: use example.com or user@example.com.")
    return f"{local}{at}{stars}{host}"


def is_allowed(mailbox: Mailbox, patterns: Iterable[str]) -> bool:
    """Whether one of these patterns, as ``check_pattern`` returns them, takes the address in."""
    spec = mailbox.spec.lower()
    local, _, domain = spec.rpartition("@")
    return any(_matches(local, domain, pattern) for pattern in patterns)


def _matches(local: str, domain: str, pattern: str) -> bool:
    wanted, at, host = pattern.rpartition("@")
    if at and not fnmatchcase(local, wanted.replace("[", "[[]").replace("?", "[?]")):
        return False
    return host == "*" or domain == host or (host.startswith("*.") and domain.endswith(host[1:]))


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]} …"
