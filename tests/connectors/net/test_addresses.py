"""No connection goes to an address that is not public, unless it was allowed."""

from ipaddress import IPv6Address, ip_address, ip_network

import pytest

from connectors.net.addresses import is_denied

# The ranges of the deny list, and whether what lies just outside of each edge is denied as well.
RANGES = [
    ("0.0.0.0/8", None, False),
    ("10.0.0.0/8", False, False),
    ("100.64.0.0/10", False, False),
    ("127.0.0.0/8", False, False),
    ("169.254.0.0/16", False, False),
    ("172.16.0.0/12", False, False),
    ("192.0.0.0/24", False, False),
    ("192.0.2.0/24", False, False),
    ("192.88.99.0/24", False, False),
    ("192.168.0.0/16", False, False),
    ("198.18.0.0/15", False, False),
    ("198.51.100.0/24", False, False),
    ("203.0.113.0/24", False, False),
    ("224.0.0.0/4", False, True),
    ("240.0.0.0/4", True, None),
    ("255.255.255.255/32", True, None),
    ("::/128", None, True),
    ("::1/128", True, True),
    ("::/96", None, True),
    ("::ffff:0:0:0/96", True, True),
    ("64:ff9b:1::/48", True, True),
    ("100::/64", True, True),
    ("2001::/32", False, True),
    ("2001:20::/28", True, True),
    ("2001::/23", False, False),
    ("2001:db8::/32", False, False),
    ("2002::/16", False, False),
    ("3fff::/20", False, False),
    ("4000::/2", False, True),
    ("5f00::/16", True, True),
    ("fc00::/7", True, True),
    ("fe80::/10", True, True),
    ("fec0::/10", True, True),
    ("ff00::/8", True, None),
]


@pytest.mark.parametrize(("network", "below", "above"), RANGES)
def test_a_range_is_denied_from_edge_to_edge_and_no_further(
    network: str, below: bool | None, above: bool | None
) -> None:
    first, last = ip_network(network)[0], ip_network(network)[-1]
    assert is_denied(str(first))
    assert is_denied(str(last))
    if below is not None:
        assert is_denied(str(first - 1)) is below
    if above is not None:
        assert is_denied(str(last + 1)) is above


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.15.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"])
def test_public_addresses_are_not_denied(address: str) -> None:
    assert not is_denied(address)


@pytest.mark.parametrize(("network", "below", "above"), [row for row in RANGES if "." in row[0]])
@pytest.mark.parametrize("prefix", ["::ffff:0:0", "64:ff9b::"], ids=["mapped", "nat64"])
def test_an_ipv4_address_inside_an_ipv6_one_is_judged_as_itself(
    prefix: str, network: str, below: bool | None, above: bool | None
) -> None:
    for address, expected in [
        (ip_network(network)[0], True),
        (ip_network(network)[-1], True),
        *([(ip_network(network)[-1] + 1, above)] if above is not None else []),
    ]:
        wrapped = IPv6Address(int(IPv6Address(prefix)) | int(address))
        assert is_denied(str(wrapped)) is expected


@pytest.mark.parametrize(
    "address", ["::127.0.0.1", "::8.8.8.8", "2002:7f00:1::", "2002:808:808::", "2001:0:7f00:1::", "::ffff:0:8.8.8.8"]
)
def test_addresses_of_retired_transitions_are_denied_whatever_they_carry(address: str) -> None:
    assert is_denied(address)


@pytest.mark.parametrize("text", ["fe80::1%eth0", "2606:4700::1111%1", "", "localhost", "127.1", "0x7f000001", "1.2.3"])
def test_what_is_no_plain_address_is_denied(text: str) -> None:
    assert is_denied(text)


def test_allowed_networks_are_exceptions_and_nothing_beside_them() -> None:
    allowed = [ip_network("10.1.0.0/16"), ip_network("fd00:1::/32")]
    assert not is_denied("10.1.255.255", allowed)
    assert not is_denied("fd00:1::5", allowed)
    assert is_denied("10.2.0.0", allowed)
    assert is_denied("fd00:2::", allowed)


def test_a_mapped_address_is_allowed_by_the_ipv4_network_and_by_no_ipv6_one() -> None:
    assert not is_denied("::ffff:10.1.2.3", [ip_network("10.0.0.0/8")])
    assert not is_denied("64:ff9b::10.1.2.3", [ip_network("10.0.0.0/8")])
    assert is_denied("::ffff:10.1.2.3", [ip_network("::/0")])


def test_a_zone_id_is_denied_even_in_an_allowed_network() -> None:
    assert is_denied("fe80::1%eth0", [ip_network("fe80::/10")])
    assert not is_denied("fe80::1", [ip_network("fe80::/10")])
    assert ip_address("fe80::1%eth0") not in ip_network("fc00::/7")
