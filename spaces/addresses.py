"""The addresses that requests come from."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.http import HttpRequest


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address, IPv4 where it is IPv4 in IPv6's clothes; None for anything else."""
    try:
        address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def address_of(request: HttpRequest) -> str | None:
    """Return where the request comes from; None for a Unix socket."""
    address = parse_address(request.META.get("REMOTE_ADDR", ""))
    return str(address) if address else None


def network_of(request: HttpRequest) -> str | None:
    """Return the same, of IPv6 the first address of its /64: one client has as many addresses there as it likes."""
    address = parse_address(request.META.get("REMOTE_ADDR", ""))
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False).network_address)
    return str(address) if address else None
