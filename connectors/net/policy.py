"""The network policy: where connectors may connect to, and on what terms.

It is read from the settings and from CONNECTORS_FILE, whose word counts for more; a host's own settings come before
the general ones, and what a connector says before both.
"""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network
from typing import Final

from django.conf import settings

from connectors.installation.reading import installation_file
from connectors.installation.schemas import Network as NetworkSection
from connectors.net.addresses import Network, is_denied
from connectors.net.terms import Overrides, Proxy, Terms
from connectors.net.urls import Origin, parse_url

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
# Names that stand for an address in every network; judged when saved, like an address.
_WELL_KNOWN: Final = {
    "localhost": "127.0.0.1",
    "metadata.google.internal": "169.254.169.254",
    "instance-data": "169.254.169.254",
}
_NOTHING_SAID: Final = Overrides()


class BlockedTarget(Exception):
    """The network policy does not allow this target."""


@dataclass(frozen=True, slots=True)
class HostTerms:
    """What the installation says of one host, or with ``*.`` of its subdomains; ``port`` None is any."""

    host: str
    port: int | None
    overrides: Overrides

    def matches(self, origin: Origin) -> bool:
        """Whether this is about ``origin``."""
        return self.port in (None, origin.port) and _matches(origin.host, self.host)

    @property
    def precision(self) -> tuple[bool, int, bool]:
        """Of several that match, the greatest counts: a name before a pattern, a longer before a shorter one."""
        return "*" not in self.host, len(self.host), self.port is not None


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """What the installation allows. ``terms`` hold where a host has none of its own; ``hosts`` are most precise first.

    The proxy in ``terms`` serves the hosts of ``proxied``, or all when that is empty, and none of ``unproxied``.
    """

    allowed_hosts: tuple[str, ...]
    allowed_private: tuple[Network, ...]
    terms: Terms
    hosts: tuple[HostTerms, ...] = ()
    proxied: tuple[str, ...] = ()
    unproxied: tuple[str, ...] = ()

    @classmethod
    def current(cls) -> "NetworkPolicy":
        """Return the policy that holds now."""
        return _policy(
            tuple(settings.NETWORK_ALLOWED_HOSTS),
            tuple(settings.NETWORK_ALLOWED_PRIVATE),
            settings.NETWORK_TIMEOUT,
            installation_file().network,
        )

    def check_url(self, url: str) -> str:
        """Return the URL rebuilt from its parts; raise BadUrl or BlockedTarget.

        A name passes here whatever it resolves to: its addresses are judged when a connection is opened.
        """
        origin, rest = parse_url(url)
        self.check_origin(origin)
        return f"{origin}{rest}"

    def check_origin(self, origin: Origin) -> None:
        """Raise BlockedTarget unless HTTP may be spoken to this host, on this port."""
        self.check_host(origin)
        if origin.port in BAD_PORTS:
            raise BlockedTarget(f"Port {origin.port} belongs to another service than HTTP.")

    def check_host(self, origin: Origin) -> None:
        """Raise BlockedTarget unless the host, if a name, and the address, if one, are allowed.

        For systems that are no HTTP servers, which have any port.
        """
        if not any(_matches(origin.host, pattern) for pattern in self.allowed_hosts):
            raise BlockedTarget(f"{origin.host} is not among the hosts that NETWORK_ALLOWED_HOSTS allows.")
        address = origin.host if origin.is_address else _WELL_KNOWN.get(origin.host)
        if address is not None and self.is_denied(address):
            raise BlockedTarget(self.why_denied(origin.host))

    def terms_for(self, origin: Origin, overrides: Overrides = _NOTHING_SAID) -> Terms:
        """Return on what terms ``origin`` is spoken to, by a connector that says ``overrides``.

        The installation's timeout is a limit: a connector may only be quicker.
        """
        terms = self.terms if self._is_proxied(origin.host) else Overrides(proxy="direct").applied_to(self.terms)
        own = next((found for found in self.hosts if found.matches(origin)), None)
        if own is not None:
            terms = own.overrides.applied_to(terms)
        limit = terms.timeout
        terms = overrides.applied_to(terms)
        return terms if terms.timeout <= limit else Overrides(timeout=limit).applied_to(terms)

    def longest_timeout(self) -> float:
        """Return the longest time that one request may take, in seconds."""
        return max(self.terms.timeout, *(host.overrides.timeout or 0.0 for host in self.hosts), 0.0)

    def is_denied(self, address: str) -> bool:
        """Whether no connection may be opened to this address."""
        return is_denied(address, self.allowed_private)

    def why_denied(self, host: str) -> str:
        """Return a sentence for a person that does not tell which address the host has."""
        return (
            f"{host} has a private or reserved address. Where it is meant, whoever runs this installation allows it "
            "in NETWORK_ALLOWED_PRIVATE."
        )

    def _is_proxied(self, host: str) -> bool:
        if self.proxied:
            return any(_matches(host, pattern) for pattern in self.proxied)
        return not any(_matches(host, pattern) for pattern in self.unproxied)


def policy_for(url: str, overrides: Overrides = _NOTHING_SAID) -> Terms:
    """Return on what terms a URL is requested now; raise BadUrl or BlockedTarget.

    A proxy that a connector brings along is a target like any other.
    """
    policy = NetworkPolicy.current()
    origin, _ = parse_url(url)
    policy.check_origin(origin)
    terms = policy.terms_for(origin, overrides)
    check_proxy(policy, terms.proxy)
    return terms


def check_proxy(policy: NetworkPolicy, proxy: Proxy | None) -> None:
    """Raise BlockedTarget unless this proxy is none, or the installation's own, or an allowed target."""
    if proxy is not None and not proxy.is_trusted:
        policy.check_origin(parse_url(proxy.url)[0])


def _matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:].lower())
    return pattern == "*" or host == pattern.lower().strip("[]")


@lru_cache(maxsize=8)
def _policy(hosts: tuple[str, ...], private: tuple[str, ...], timeout: float, section: NetworkSection) -> NetworkPolicy:
    general = Terms(timeout=timeout)
    return NetworkPolicy(
        allowed_hosts=hosts if section.allowed_hosts is None else section.allowed_hosts,
        allowed_private=tuple(ip_network(network) for network in (*private, *section.allowed_private)),
        terms=section.overrides().applied_to(general),
        hosts=tuple(
            sorted(
                (HostTerms(*host.place(), host.overrides()) for host in section.hosts),
                key=lambda host: host.precision,
                reverse=True,
            )
        ),
        proxied=section.proxy.only if section.proxy else (),
        unproxied=section.proxy.bypass if section.proxy else (),
    )
