"""Reads URLs, in one way only: what one parser takes for the path, another may take for the host."""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import quote

import idna

MAX_URL: Final = 2048
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "kafka": 9092, "mqtt": 1883, "mqtts": 8883}
_URL: Final = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?", re.I)
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f-\x9f\\]|\s")
_NAME: Final = re.compile(r"(?!.{254})([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


class BadUrl(ValueError):
    """This is not a URL that can be requested."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a URL points: scheme, host (lower case, ASCII, or an address) and port."""

    scheme: str
    host: str
    port: int

    @property
    def is_address(self) -> bool:
        """Whether the host is an address rather than a name."""
        return ":" in self.host or _ipv4(self.host) is not None

    @property
    def has_usual_port(self) -> bool:
        """Whether the port is the scheme's."""
        return self.port == _DEFAULT_PORTS[self.scheme]

    @property
    def authority(self) -> str:
        """Host and port, the port even where it is the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        usual = f":{_DEFAULT_PORTS[self.scheme]}"
        return f"{self.scheme}://{self.authority.removesuffix(usual)}"


def parse_url(url: str) -> tuple[Origin, str]:
    """Return a URL's origin, and its path and query, ASCII and beginning with ``/``; raise BadUrl."""
    if len(url) > MAX_URL:
        raise BadUrl(f"A URL has at most {MAX_URL} characters; this one has {len(url)}.")
    if _UNSAFE.search(url):
        raise BadUrl("A URL has no spaces, control characters or backslashes.")
    if "#" in url:
        raise BadUrl("Leave out the fragment (# and what follows): it is never sent.")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise BadUrl("Write an absolute URL that begins with http:// or https://.")
    origin = parse_authority(parts["scheme"].lower(), parts["authority"])
    try:
        rest = quote((parts["path"] or "/") + (parts["query"] or ""), safe="/?%:@!$&'()*+,;=~[]|")
    except UnicodeEncodeError:
        raise BadUrl("The URL has a character that cannot be encoded.") from None
    return origin, rest


def parse_authority(scheme: str, authority: str) -> Origin:
    """Return where ``host`` or ``host:port`` points, by default to the scheme's port; raise BadUrl."""
    if "@" in authority:
        raise BadUrl("Leave out the user and password: a URL is no place for them.")
    if authority.startswith("["):
        bracketed, closed, tail = authority[1:].partition("]")
        if not closed or (tail and not tail.startswith(":")):
            raise BadUrl("The address in brackets is not complete.")
        host, port = _ipv6(bracketed), tail[1:] if tail else None
    else:
        name, colon, digits = authority.partition(":")
        host, port = parse_host(name), digits if colon else None
    if port is None:
        return Origin(scheme, host, _DEFAULT_PORTS[scheme])
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise BadUrl("The port is a number from 1 to 65535.")
    return Origin(scheme, host, int(port))


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise BadUrl("What stands in brackets is not an IPv6 address.") from None
    if address.scope_id is not None:
        raise BadUrl("An address with a zone id cannot be reached from here.")
    return str(address)


def parse_host(text: str) -> str:
    """Return a host, a name or an IPv4 address, in lower case and ASCII; raise BadUrl."""
    if not text:
        raise BadUrl("The URL has no host.")
    host = text.lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except idna.IDNAError:
            raise BadUrl("The host is not a valid international domain name (IDNA 2008).") from None
    host = host.removesuffix(".")
    if address := _ipv4(host):
        return address
    if not _NAME.fullmatch(host) or host.rpartition(".")[2].isdigit():
        raise BadUrl("The host is not a valid domain name or address.")
    return host


def _ipv4(host: str) -> str | None:
    """Return the address in dotted decimals if the host is one, in any of the forms that C libraries read."""
    if not host[:1].isdigit():
        return None
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None
