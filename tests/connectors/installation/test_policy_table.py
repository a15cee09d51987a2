"""One place decides on what terms a URL is requested: general settings, then the host's, then the connector's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from pytest_django import Settings

from connectors.net.policy import BlockedTarget, NetworkPolicy, policy_for
from connectors.net.terms import KEPT_BODY, Overrides, Proxy

Write = Callable[[str], None]

NETWORK = """
network:
  allowed_hosts: ["*.example.com", example.com, erp.corp, "8.8.8.8", "[2606:4700::1111]"]
  allowed_private: [10.1.0.0/16]
  timeout: 20
  max_response_bytes: 32768
  proxy:
    url: http://egress.corp:3128
    username: ops
    password: env:PROXY_PASSWORD
    headers: {X-Team: ops}
    bypass: ["*.internal.example.com", erp.corp]
  hosts:
    - host: slow.example.com
      timeout: 60
      max_response_bytes: 1024
    - host: "*.example.com"
      tls: {verify: certificate}
    - host: "*.deep.example.com"
      tls: {verify: none}
    - host: slow.example.com:8443
      tls: {verify: none}
    - host: erp.corp
      proxy: {url: "https://second.corp:3129"}
    - host: direct.example.com
      proxy: direct
"""


@pytest.fixture
def write(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.setenv("PROXY_PASSWORD", "pr0xy-canary")

    def write_file(text: str) -> None:
        path = tmp_path / "connectors.yaml"
        path.write_text(text)
        settings.CONNECTORS_FILE = str(path)

    return write_file


def proxy_of(url: str, **overrides: Any) -> str:
    proxy = policy_for(url, Overrides(**overrides)).proxy
    return proxy.url if proxy else "direct"


@pytest.mark.parametrize(
    ("url", "verify", "timeout", "size", "proxy"),
    [
        ("https://example.com/", "full", 20, 32768, "http://egress.corp:3128"),
        ("https://a.example.com/x?y", "certificate", 20, 32768, "http://egress.corp:3128"),
        ("https://A.EXAMPLE.com./", "certificate", 20, 32768, "http://egress.corp:3128"),
        ("https://a.deep.example.com/", "none", 20, 32768, "http://egress.corp:3128"),
        ("https://slow.example.com/", "full", 60, 1024, "http://egress.corp:3128"),
        ("https://slow.example.com:8443/", "none", 20, 32768, "http://egress.corp:3128"),
        ("https://a.internal.example.com/", "certificate", 20, 32768, "direct"),
        ("https://erp.corp/", "full", 20, 32768, "https://second.corp:3129"),
        ("https://direct.example.com/", "full", 20, 32768, "direct"),
        ("https://8.8.8.8/", "full", 20, 32768, "http://egress.corp:3128"),
        ("https://[2606:4700:0::1111]/", "full", 20, 32768, "http://egress.corp:3128"),
    ],
)
def test_the_terms_of_a_url(write: Write, url: str, verify: str, timeout: float, size: int, proxy: str) -> None:
    write(NETWORK)
    terms = policy_for(url)
    assert (terms.tls.verify, terms.timeout, terms.max_body) == (verify, timeout, size)
    assert proxy_of(url) == proxy


@pytest.mark.parametrize("url", ["https://other.example/", "https://notexample.com/", "https://1.1.1.1/"])
def test_other_hosts_are_refused(write: Write, url: str) -> None:
    write(NETWORK)
    with pytest.raises(BlockedTarget, match="allows"):
        policy_for(url)


def test_without_a_file_the_settings_hold(settings: Settings) -> None:
    settings.NETWORK_TIMEOUT = 7
    terms = policy_for("https://example.com/")
    assert (terms.tls.verify, terms.timeout, terms.max_body, terms.proxy) == ("full", 7, KEPT_BODY, None)


def test_the_file_adds_private_networks_to_those_of_the_settings(write: Write, settings: Settings) -> None:
    write(NETWORK)
    settings.NETWORK_ALLOWED_PRIVATE = ["192.168.7.0/24"]
    policy = NetworkPolicy.current()
    assert [policy.is_denied(address) for address in ("10.1.2.3", "192.168.7.1", "10.2.0.1")] == [False, False, True]


def test_a_connector_has_the_last_word_on_tls_and_proxy(write: Write) -> None:
    write(NETWORK)
    terms = policy_for("https://a.example.com/", Overrides(verify="full", ca="own", client=("cert", "key")))
    assert (terms.tls.verify, terms.tls.ca, terms.tls.client_cert, terms.tls.client_key) == (
        "full", "own", "cert", "key",
    )  # fmt: skip
    assert proxy_of("https://a.example.com/", proxy="direct") == "direct"
    own = Proxy("http://mine.example.com:8080")
    assert proxy_of("https://a.internal.example.com/", proxy=own) == "http://mine.example.com:8080"


def test_a_connector_s_own_proxy_must_be_an_allowed_target(write: Write) -> None:
    write(NETWORK)
    for url in ("http://mine.other:8080", "http://127.0.0.1:8080"):
        with pytest.raises(BlockedTarget):
            policy_for("https://a.example.com/", Overrides(proxy=Proxy(url)))


@pytest.mark.parametrize(("asked", "given"), [(5, 5), (100, 20), (None, 20)])
def test_a_connector_may_only_be_quicker(write: Write, asked: float | None, given: float) -> None:
    write(NETWORK)
    assert policy_for("https://example.com/", Overrides(timeout=asked)).timeout == given


def test_the_longest_timeout_is_known(write: Write) -> None:
    write(NETWORK)
    assert NetworkPolicy.current().longest_timeout() == 60


def test_the_proxy_s_credentials_come_from_where_the_file_says(write: Write) -> None:
    write(NETWORK)
    proxy = policy_for("https://example.com/").proxy
    assert proxy is not None
    assert (proxy.username, proxy.password, proxy.headers, proxy.is_trusted) == (
        "ops", "pr0xy-canary", ("X-Team: ops",), True,
    )  # fmt: skip
    assert "pr0xy-canary" not in repr(NetworkPolicy.current())


def test_a_proxy_may_serve_only_some_hosts(write: Write) -> None:
    write('network:\n  proxy: {url: "http://egress.corp:3128", only: ["*.example.com"]}\n')
    assert proxy_of("https://a.example.com/") == "http://egress.corp:3128"
    assert proxy_of("https://example.org/") == "direct"


def test_certificates_may_be_files_beside_it(write: Write, tmp_path: Path) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("client.example")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    leaf.private_key_pem.write_to_path(tmp_path / "client.key")
    write(
        "network:\n  hosts:\n    - host: a.example\n      tls:\n        ca: file:ca.pem\n"
        "        client_cert: file:client.pem\n        client_key: file:client.key\n"
    )
    tls = policy_for("https://a.example/").tls
    assert tls.ca == authority.cert_pem.bytes().decode().strip()
    assert tls.client_key == leaf.private_key_pem.bytes().decode().strip()
    assert policy_for("https://b.example/").tls.client_key == ""
    assert "PRIVATE KEY" not in repr(NetworkPolicy.current())
