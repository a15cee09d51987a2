"""A connector shows its certificate to a system that wants one, in whichever form people have it."""

import ssl
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from connectors.models import Connector
from connectors.net.pool import pool
from connectors.outcomes import Outcome, Reason
from connectors.services import open_connection
from connectors.types.base import Message
from connectors.types.http.connector import HttpConnectorType
from connectors.types.http.schemas import HttpParams
from spaces.errors import InvalidInput
from spaces.models import Space
from tests.contract.scripted import answering, http_answer, scripted
from tests.factories import make_connector, make_space

pytestmark = pytest.mark.django_db

PASSPHRASE = "S3CR3T-phrase"


@dataclass
class Papers:
    """A certificate in the forms that people have."""

    chain: str
    key: str
    locked_key: str
    bundle: str
    locked_bundle: str


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def papers(authority: trustme.CA) -> Papers:
    leaf = authority.issue_cert("client.example")
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    certificate = x509.load_pem_x509_certificate(chain)
    locked = BestAvailableEncryption(PASSPHRASE.encode())

    def bundle(encryption: Any) -> str:
        return b64encode(pkcs12.serialize_key_and_certificates(b"me", key, certificate, None, encryption)).decode()  # type: ignore[arg-type]  # keys that trustme makes are of a kind that PKCS#12 takes

    return Papers(
        chain.decode(),
        leaf.private_key_pem.bytes().decode(),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked).decode(),
        bundle(NoEncryption()),
        bundle(locked),
    )


@pytest.fixture
def url(authority: trustme.CA) -> Iterator[str]:
    """A server that talks to nobody without a certificate of the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    with scripted(answering(http_answer(200)), context) as server:
        yield f"https://127.0.0.1:{server.port}/"
    pool.clear()


@pytest.fixture
def space() -> Space:
    return make_space()


def deliver(connector: Connector) -> Outcome:
    message = Message(1, "msg_1", HttpParams(body="{}"))
    (outcome,) = HttpConnectorType().deliver(open_connection(connector), [message])
    return outcome


def connect(space: Space, url: str, authority: trustme.CA, secrets: dict[str, str], **config: Any) -> Connector:
    ca = authority.cert_pem.bytes().decode()
    return make_connector(space, url, ca=ca, secrets=secrets, **config)


def test_certificate_and_key_in_pem(space: Space, url: str, authority: trustme.CA, papers: Papers) -> None:
    row = connect(space, url, authority, {"client_key": papers.key}, client_cert=papers.chain)
    assert deliver(row).reason is Reason.OK


def test_a_key_with_a_passphrase(space: Space, url: str, authority: trustme.CA, papers: Papers) -> None:
    secrets = {"client_key": papers.locked_key, "client_passphrase": PASSPHRASE}
    assert deliver(connect(space, url, authority, secrets, client_cert=papers.chain)).reason is Reason.OK


def test_pkcs12_without_and_with_a_passphrase(space: Space, url: str, authority: trustme.CA, papers: Papers) -> None:
    assert deliver(connect(space, url, authority, {"client_pkcs12": papers.bundle})).reason is Reason.OK
    secrets = {"client_pkcs12": papers.locked_bundle, "client_passphrase": PASSPHRASE}
    assert deliver(connect(space, url, authority, secrets)).reason is Reason.OK


def test_without_a_certificate_the_failure_is_one_of_tls_and_tried_again(
    space: Space, url: str, authority: trustme.CA
) -> None:
    outcome = deliver(connect(space, url, authority, {}))
    assert outcome.reason in (Reason.RETRY_TLS, Reason.RETRY_CONNECT)
    assert outcome.reason.is_retry


def test_a_certificate_without_its_key_is_a_missing_secret(
    space: Space, url: str, authority: trustme.CA, papers: Papers
) -> None:
    assert connect(space, url, authority, {}, client_cert=papers.chain).missing_secrets == ["client_key"]


@pytest.mark.parametrize(
    ("secrets", "place"),
    [
        ({"client_key": "no key"}, "client_key"),
        ({"client_key": "LOCKED"}, "client_key"),
        ({"client_key": "LOCKED", "client_passphrase": "wrong"}, "client_key"),
        ({"client_pkcs12": "bm8gYnVuZGxl"}, "client_pkcs12"),
        ({"client_pkcs12": "BUNDLE", "client_passphrase": "wrong"}, "client_pkcs12"),
        ({"client_pkcs12": "%%%"}, "client_pkcs12"),
    ],
)
def test_what_cannot_be_used_is_refused_when_it_is_entered(
    space: Space, url: str, authority: trustme.CA, papers: Papers, secrets: dict[str, str], place: str
) -> None:
    given = {
        name: papers.locked_key if text == "LOCKED" else papers.locked_bundle if text == "BUNDLE" else text
        for name, text in secrets.items()
    }
    with pytest.raises(InvalidInput) as refused:
        connect(space, url, authority, given, client_cert=papers.chain)
    assert [error.pointer for error in refused.value.errors] == [f"/secrets/{place}"]
    assert papers.locked_key not in str(refused.value)


def test_a_private_key_in_the_public_part_is_refused(
    space: Space, url: str, authority: trustme.CA, papers: Papers
) -> None:
    with pytest.raises(InvalidInput, match="Take out the private key"):
        connect(space, url, authority, {}, client_cert=papers.chain + papers.key)


def test_key_and_passphrase_are_never_shown(space: Space, url: str, authority: trustme.CA, papers: Papers) -> None:
    secrets = {"client_key": papers.locked_key, "client_passphrase": PASSPHRASE}
    row = connect(space, url, authority, secrets, client_cert=papers.chain)
    assert PASSPHRASE not in repr(open_connection(row))
    assert "PRIVATE KEY" not in repr(open_connection(row))
