"""Which addresses an outbound connection may go to.

The table is our own: CPython moves ranges in and out of ``ipaddress.is_private`` in patch releases.
Sources: the IANA special-purpose address registries (RFC 6890) and the IPv6 global unicast assignments.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Network = IPv4Network | IPv6Network

DENIED_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, cloud metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
GLOBAL_V6: Final = IPv6Network("2000::/3")
# What is not for general use inside 2000::/3; all that is outside is denied anyway.
DENIED_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
NAT64: Final = IPv6Network("64:ff9b::/96")


def is_denied(address: str, allowed: Iterable[Network] = ()) -> bool:
    """Whether no connection may be opened to this address, given as the resolver or the socket shows it.

    ``allowed`` are exceptions. An IPv4 address inside an IPv6 one (mapped, RFC 4291; NAT64, RFC 6052) is judged as
    the IPv4 address. What is not an address, or has a zone id, is denied.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return True
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id is not None:
            return True
        if inner := _inner(parsed):
            parsed = inner
    return not any(parsed in network for network in allowed) and _is_special(parsed)


def _inner(address: IPv6Address) -> IPv4Address | None:
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


def _is_special(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return any(address in network for network in DENIED_V4)
    return address not in GLOBAL_V6 or any(address in network for network in DENIED_V6)
