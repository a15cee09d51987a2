"""The network policy: where connectors may connect to, and for how long.

It is read from the global settings. What a host or a connector may override comes in here, so that one place decides.
"""

import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_network
from typing import Final
from urllib.parse import quote

import idna
from django.conf import settings

from connectors.net.addresses import Network, is_denied

MAX_URL: Final = 2048

# Ports of services that a request could be mistaken by: the WHATWG Fetch standard's bad ports, then other
# services of networks, databases, caches and brokers.
# fmt: off
_FETCH_BAD_PORTS: Final = {
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514,
    515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049,
    3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
}
_OTHER_BAD_PORTS: Final = {
    138, 162, 445, 1433, 1521, 1883, 2181, 3306, 3389, 5432, 5671, 5672, 5900, 6379, 6380, 8883, 9092, 11211, 27017,
}
# fmt: on
BAD_PORTS: Final = frozenset(_FETCH_BAD_PORTS | _OTHER_BAD_PORTS)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# Names that stand for an address in every network; judged when saved, like an address.
_WELL_KNOWN: Final = {
    "localhost": "127.0.0.1",
    "metadata.google.internal": "169.254.169.254",
    "instance-data": "169.254.169.254",
}
_URL: Final = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?", re.I)
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f-\x9f\\]|\s")
_NAME: Final = re.compile(r"(?!.{254})([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


class BadUrl(ValueError):
    """This is not a URL that can be requested."""


class BlockedTarget(Exception):
    """The network policy does not allow this target."""


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

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """What the settings allow. ``timeout`` is the longest total time of one request, in seconds."""

    allowed_hosts: tuple[str, ...]
    allowed_private: tuple[Network, ...]
    timeout: float

    @classmethod
    def current(cls) -> "NetworkPolicy":
        """Return the policy that the settings describe now."""
        return _policy(
            tuple(settings.NETWORK_ALLOWED_HOSTS), tuple(settings.NETWORK_ALLOWED_PRIVATE), settings.NETWORK_TIMEOUT
        )

    def check_url(self, url: str) -> str:
        """Return the URL rebuilt from its parts; raise BadUrl or BlockedTarget.

        A name passes here whatever it resolves to: its addresses are judged when a connection is opened.
        """
        origin, rest = parse_url(url)
        self.check_origin(origin)
        return f"{origin}{rest}"

    def check_origin(self, origin: Origin) -> None:
        """Raise BlockedTarget unless the host, if a name, the port and the address, if one, are allowed."""
        if not any(_matches(origin.host, pattern) for pattern in self.allowed_hosts):
            raise BlockedTarget(f"{origin.host} is not among the hosts that NETWORK_ALLOWED_HOSTS allows.")
        if origin.port in BAD_PORTS:
            raise BlockedTarget(f"Port {origin.port} belongs to another service than HTTP.")
        address = origin.host if origin.is_address else _WELL_KNOWN.get(origin.host)
        if address is not None and self.is_denied(address):
            raise BlockedTarget(self.why_denied(origin.host))

    def is_denied(self, address: str) -> bool:
        """Whether no connection may be opened to this address."""
        return is_denied(address, self.allowed_private)

    def why_denied(self, host: str) -> str:
        """Return a sentence for a person that does not tell which address the host has."""
        return (
            f"{host} has a private or reserved address. Where it is meant, whoever runs this installation allows it "
            "in NETWORK_ALLOWED_PRIVATE."
        )


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
    origin = _parse_authority(parts["scheme"].lower(), parts["authority"])
    try:
        rest = quote((parts["path"] or "/") + (parts["query"] or ""), safe="/?%:@!$&'()*+,;=~[]|")
    except UnicodeEncodeError:
        raise BadUrl("The URL has a character that cannot be encoded.") from None
    return origin, rest


def _parse_authority(scheme: str, authority: str) -> Origin:
    if "@" in authority:
        raise BadUrl("Leave out the user and password: a URL is no place for them.")
    if authority.startswith("["):
        bracketed, closed, tail = authority[1:].partition("]")
        if not closed or (tail and not tail.startswith(":")):
            raise BadUrl("The address in brackets is not complete.")
        host, port = _ipv6(bracketed), tail[1:] if tail else None
    else:
        name, colon, digits = authority.partition(":")
        host, port = _host(name), digits if colon else None
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


def _host(text: str) -> str:
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


def _matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:].lower())
    return pattern == "*" or host == pattern.lower().strip("[]")


@lru_cache(maxsize=8)
def _policy(hosts: tuple[str, ...], private: tuple[str, ...], timeout: float) -> NetworkPolicy:
    return NetworkPolicy(hosts, tuple(ip_network(network) for network in private), timeout)
