"""TLS is verified as the connection says, and client certificates are shown, none of it over the disk."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from connectors.net.exchange import Failure, Request, Response, Result
from connectors.net.http import send, send_many
from connectors.net.tls import Tls, check_certificates
from connectors.outcomes import Reason
from tests.contract.scripted import ScriptedServer, answering, http_answer, scripted


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def stranger() -> trustme.CA:
    return trustme.CA()


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[ScriptedServer]:
    with scripted(answering(http_answer(200)), server_context(authority.issue_cert("127.0.0.1"))) as running:
        yield running


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


def client_pair(authority: trustme.CA) -> tuple[str, str]:
    leaf = authority.issue_cert("client@example.test")
    return leaf.cert_chain_pems[0].bytes().decode(), leaf.private_key_pem.bytes().decode()


def get(server: ScriptedServer, tls: Tls) -> Result:
    return send(Request("GET", f"https://127.0.0.1:{server.port}/", {}, timeout=5, tls=tls), key=1)


def assert_fails(result: Result, reason: Reason, word: str = "") -> None:
    assert isinstance(result, Failure), result
    assert result.reason is reason
    assert word in result.detail


def test_a_certificate_of_a_trusted_authority_is_accepted(server: ScriptedServer, authority: trustme.CA) -> None:
    assert isinstance(get(server, Tls(ca=pem(authority))), Response)


def test_a_certificate_of_an_unknown_authority_is_refused(server: ScriptedServer, stranger: trustme.CA) -> None:
    assert_fails(get(server, Tls()), Reason.RETRY_TLS, "certificate")
    assert_fails(get(server, Tls(ca=pem(stranger))), Reason.RETRY_TLS, "certificate")
    assert server.requests == []


def test_one_connection_s_trust_and_certificate_do_not_serve_the_next(
    server: ScriptedServer, demanding: ScriptedServer, authority: trustme.CA
) -> None:
    known = Tls("full", pem(authority), *client_pair(authority))
    for running, lesser in ((server, Tls()), (demanding, Tls("full", pem(authority)))):
        assert isinstance(get(running, known), Response)
        assert isinstance(get(running, lesser), Failure)
        assert len(running.requests) == 1


def test_a_certificate_for_another_host_is_refused_unless_the_name_is_left_out(authority: trustme.CA) -> None:
    with scripted(answering(http_answer(200)), server_context(authority.issue_cert("other.test"))) as server:
        assert_fails(get(server, Tls(ca=pem(authority))), Reason.RETRY_TLS, "127.0.0.1")
        assert isinstance(get(server, Tls("certificate", pem(authority))), Response)


@pytest.mark.parametrize("verify", ["full", "certificate"])
def test_an_expired_certificate_is_refused(authority: trustme.CA, verify: str) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    leaf = authority.issue_cert("127.0.0.1", not_before=yesterday - timedelta(days=1), not_after=yesterday)
    with scripted(answering(http_answer(200)), server_context(leaf)) as server:
        tls = Tls("full" if verify == "full" else "certificate", pem(authority))
        assert_fails(get(server, tls), Reason.RETRY_TLS, "expired")


def test_no_verification_accepts_any_certificate(server: ScriptedServer) -> None:
    assert isinstance(get(server, Tls("none")), Response)


def test_a_connection_that_was_not_verified_serves_no_verified_request(server: ScriptedServer) -> None:
    url = f"https://127.0.0.1:{server.port}/"
    requests = [
        Request("GET", url, {}, tls=Tls("none")),
        Request("GET", url, {}),
        Request("GET", url, {}, tls=Tls("none")),
    ]
    results = [result for _, result in send_many(requests, key=1, concurrency=1)]
    assert [isinstance(result, Response) for result in results] == [True, False, True]


def test_tls_1_1_is_refused(authority: trustme.CA) -> None:
    context = server_context(authority.issue_cert("127.0.0.1"))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with scripted(answering(http_answer(200)), context) as server:
        assert_fails(get(server, Tls(ca=pem(authority))), Reason.RETRY_TLS)


@pytest.fixture
def demanding(authority: trustme.CA) -> Iterator[ScriptedServer]:
    """A server that demands a client certificate."""
    context = server_context(authority.issue_cert("127.0.0.1"))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    with scripted(answering(http_answer(200)), context) as running:
        yield running


def test_a_client_certificate_is_shown(demanding: ScriptedServer, authority: trustme.CA) -> None:
    assert isinstance(get(demanding, Tls("full", pem(authority), *client_pair(authority))), Response)


def test_without_the_client_certificate_that_is_demanded_nothing_arrives(
    demanding: ScriptedServer, authority: trustme.CA, stranger: trustme.CA
) -> None:
    assert isinstance(get(demanding, Tls("full", pem(authority))), Failure)
    assert isinstance(get(demanding, Tls("full", pem(authority), *client_pair(stranger))), Failure)
    assert demanding.requests == []


def test_a_key_that_does_not_fit_is_bad_config(demanding: ScriptedServer, authority: trustme.CA) -> None:
    (certificate, _), (_, other_key) = client_pair(authority), client_pair(authority)
    for key in (other_key, "no key", ""):
        result = get(demanding, Tls("full", pem(authority), certificate, key))
        assert_fails(result, Reason.BAD_CONFIG, "client certificate")


def test_an_authority_that_cannot_be_read_is_bad_config(server: ScriptedServer) -> None:
    assert_fails(get(server, Tls(ca="no certificate")), Reason.BAD_CONFIG)


def test_no_secret_touches_the_disk(
    demanding: ScriptedServer, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    get(demanding, Tls("full", pem(authority), *client_pair(authority)))
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_not_in_a_repr(authority: trustme.CA) -> None:
    assert "PRIVATE KEY" not in repr(Tls("full", "", *client_pair(authority)))


def test_certificates_are_checked_when_saved(authority: trustme.CA) -> None:
    check_certificates(pem(authority))
    check_certificates(pem(authority) * 2)
    for bad in ("x", pem(authority)[:200], client_pair(authority)[1], "\udcff", "ü"):
        with pytest.raises(ValueError, match="PEM"):
            check_certificates(bad)
