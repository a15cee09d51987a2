"""URLs are read one way only, and those that point where they must not are refused when saved."""

import pytest
from pytest_django import Settings

from connectors.net.policy import BlockedTarget, NetworkPolicy
from connectors.net.urls import BadUrl, parse_url


@pytest.fixture(autouse=True)
def _strict(settings: Settings) -> None:
    settings.NETWORK_ALLOWED_HOSTS = ["*"]
    settings.NETWORK_ALLOWED_PRIVATE = []


def check(url: str) -> str:
    return NetworkPolicy.current().check_url(url)


@pytest.mark.parametrize(
    ("url", "rebuilt"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://EXAMPLE.com:443/A?b=C", "https://example.com/A?b=C"),
        ("http://example.com:8080?q", "http://example.com:8080/?q"),
        ("http://example.com./", "http://example.com/"),
        ("http://münchen.example/straße?ü=1", "http://xn--mnchen-3ya.example/stra%C3%9Fe?%C3%BC=1"),
        ("http://my_service/a%2Fb/../c", "http://my_service/a%2Fb/../c"),
        ("http://8.8.8.8/", "http://8.8.8.8/"),
        ("http://134744072/", "http://8.8.8.8/"),
        ("http://[2606:4700:0::1111]:8080/", "http://[2606:4700::1111]:8080/"),
        ('http://example.com/{"a"}<b>', "http://example.com/%7B%22a%22%7D%3Cb%3E"),
    ],
)
def test_a_url_is_rebuilt_from_its_parts(url: str, rebuilt: str) -> None:
    assert check(url) == rebuilt
    assert check(rebuilt) == rebuilt


@pytest.mark.parametrize(
    "url",
    [
        r"http://127.0.0.1\@good.example/",
        r"http://good.example\@127.0.0.1/",
        "http://good.example#@127.0.0.1",
        "http://good.example/#fragment",
        "http://user@good.example/",
        "http://user:password@good.example/",
        "http://@good.example/",
        "http://good.example/\ta",
        "http://good.\nexample/",
        "http://good.example/ a",
        " http://good.example/",
        "http://good.example/\x00",
        "http://good.example/\x7f",
        "http://good.example/\u2028",
        "http://good.example/\ud800",
    ],
)
def test_row_7_urls_that_parsers_read_differently_are_refused(url: str) -> None:
    with pytest.raises(BadUrl):
        check(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "good.example",
        "/path",
        "//good.example/",
        "ftp://good.example/",
        "file:///etc/passwd",
        "gopher://good.example/",
        "javascript:alert(1)",
        "http:good.example",
        "http:///path",
        "http://:80/",
        "http://good..example/",
        "http://-good.example/",
        "http://good.example:/",
        "http://good.example:0/",
        "http://good.example:65536/",
        "http://good.example:99999/",
        "http://good.example:8o80/",
        "http://good.example:٨٠/",
        "http://good.example:+80/",
        "http://1.2.3.4.5/",
        "http://256.0.0.1/",
        "http://[::1/",
        "http://[::1]x/",
        "http://[good.example]/",
        "http://[fe80::1%25eth0]/",
        "http://a%2eexample/",
        "http://" + "a" * 64 + ".example/",
        "http://" + "a." * 127 + "example/",
        "http://good.example/" + "a" * 2048,
    ],
)
def test_what_is_no_absolute_http_url_is_refused(url: str) -> None:
    with pytest.raises(BadUrl):
        check(url)


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[fd00:ec2::254]", "metadata.google.internal", "Metadata.Google.Internal.", "localhost"],
)
def test_row_1_metadata_services_are_refused_when_saved(host: str) -> None:
    with pytest.raises(BlockedTarget):
        check(f"http://{host}/latest/meta-data")


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0177.0.0.1", "0x7f.1", "0X7F.0.0.1", "127.1", "0", "0x7f000001", "017700000001", "0xA9FEA9FE"],
)
def test_row_2_addresses_in_odd_numbers_are_refused_when_saved(host: str) -> None:
    with pytest.raises(BlockedTarget):
        check(f"http://{host}/")


@pytest.mark.parametrize("host", ["①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.０.０.１", "①②⑦。⓪．⓪｡①", "ｌocalhost"])
def test_row_3_addresses_in_unicode_are_refused_when_saved(host: str) -> None:
    with pytest.raises(BlockedTarget):
        check(f"http://{host}/")


@pytest.mark.parametrize(
    "host",
    [
        "[::ffff:10.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[::]",
        "[::1]",
    ],
)
def test_row_4_ipv4_addresses_inside_ipv6_are_refused_when_saved(host: str) -> None:
    with pytest.raises(BlockedTarget):
        check(f"http://{host}/")


@pytest.mark.parametrize("port", [22, 25, 6379, 5432, 11211, 9092, 6667, 27017])
def test_ports_of_other_services_are_refused(port: int) -> None:
    with pytest.raises(BlockedTarget, match=f"Port {port}"):
        check(f"http://example.com:{port}/")


@pytest.mark.parametrize("port", [80, 443, 8000, 8080, 8443, 3000, 9200, 65535])
def test_ports_of_web_services_are_allowed(port: int) -> None:
    check(f"http://example.com:{port}/")


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("example.com", False),
        ("api.example.com", True),
        ("a.b.example.com", True),
        ("API.EXAMPLE.COM", True),
        ("badexample.com", False),
        ("example.com.evil.test", False),
        ("exact.test", True),
        ("sub.exact.test", False),
        ("8.8.8.8", True),
        ("8.8.4.4", False),
        ("[2606:4700::1111]", True),
    ],
)
def test_only_allowed_hosts_are_reached(settings: Settings, host: str, is_allowed: bool) -> None:
    settings.NETWORK_ALLOWED_HOSTS = ["*.Example.com", "exact.test", "8.8.8.8", "[2606:4700::1111]"]
    if is_allowed:
        check(f"https://{host}/")
    else:
        with pytest.raises(BlockedTarget, match="NETWORK_ALLOWED_HOSTS"):
            check(f"https://{host}/")


def test_an_allowed_private_network_opens_its_addresses_only(settings: Settings) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = ["127.0.0.0/8"]
    check("http://127.0.0.1/")
    check("http://localhost/")
    check("http://[::ffff:127.0.0.1]/")
    with pytest.raises(BlockedTarget):
        check("http://10.0.0.1/")
    with pytest.raises(BlockedTarget):
        check("http://[::1]/")


def test_a_refusal_names_the_setting_and_not_the_address() -> None:
    with pytest.raises(BlockedTarget, match="NETWORK_ALLOWED_PRIVATE") as caught:
        check("http://metadata.google.internal/")
    assert "169.254" not in str(caught.value)


def test_an_origin_has_its_port_only_where_it_is_not_the_default() -> None:
    origin, rest = parse_url("https://[2606:4700::1111]:8443")
    assert (str(origin), rest, origin.host, origin.port) == (
        "https://[2606:4700::1111]:8443",
        "/",
        "2606:4700::1111",
        8443,
    )
    assert origin.is_address
