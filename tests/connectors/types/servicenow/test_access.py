"""A ServiceNow connector signs in as it is set up; its test tells what is wrong with that. Sources: see instance."""

import time
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from connectors.outcomes import Reason
from connectors.types.servicenow import connector_type
from connectors.types.servicenow.connector import ServiceNowConnectorType
from connectors.types.servicenow.schemas import ServiceNowConfig
from tests.connectors.types.servicenow.delivering import BASIC, OAUTH, connect, probe, send
from tests.connectors.types.servicenow.instance import CLIENT, USER, Instance, claims_of
from tests.vendors import Answer, vendor


@pytest.mark.parametrize(
    ("auth", "secrets", "grant"),
    [("oauth2_client", OAUTH, "client_credentials"), ("oauth2_password", OAUTH | BASIC, "password")],
)
def test_an_access_token_is_asked_for_once(auth: str, secrets: dict[str, str], grant: str) -> None:
    instance, process = Instance(), ServiceNowConnectorType()
    with vendor(instance) as running:
        connection = connect(running, secrets, auth=auth, client_id=CLIENT)
        for number in range(3):
            assert send(process, connection, {}, f"msg_{number}").reason is Reason.OK
    assert [form["grant_type"] for form in instance.grants] == [[grant]]


@pytest.fixture(scope="module")
def rsa_key() -> RSAPrivateKey:
    return generate_rsa_key(65537, 2048)


@pytest.mark.parametrize("password", ["", "k3y-p4ss"])
def test_a_jwt_names_the_user_and_is_signed(rsa_key: RSAPrivateKey, password: str) -> None:
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    pem = rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()
    secrets = OAUTH | {"private_key": pem, "private_key_password": password}
    jwt = {"auth": "oauth2_jwt", "client_id": CLIENT, "user_identifier_value": "a@example.com", "jwt_key_id": "k1"}
    instance = Instance()
    with vendor(instance) as running:
        assert send(ServiceNowConnectorType(), connect(running, secrets, **jwt), {}).reason is Reason.OK
    (form,) = instance.grants
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    header, claims, signed, signature = claims_of(form["assertion"][0])
    assert header == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert claims.pop("exp") - claims["iat"] == 3600
    assert abs(claims.pop("iat") - time.time()) < 60
    assert claims == {"aud": CLIENT, "iss": CLIENT, "sub": "a@example.com"}
    rsa_key.public_key().verify(signature, signed, PKCS1v15(), SHA256())


def test_a_key_that_is_not_of_rsa_is_told() -> None:
    key = generate_private_key(SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    jwt = {"auth": "oauth2_jwt", "client_id": CLIENT, "user_identifier_value": "a@example.com", "jwt_key_id": "k1"}
    with vendor(Instance()) as running:
        outcome = send(ServiceNowConnectorType(), connect(running, OAUTH | {"private_key": pem}, **jwt), {})
    assert (outcome.reason, outcome.detail) == (Reason.BAD_CONFIG, "The private key is not one of RSA.")
    assert not running.calls


def test_a_token_that_has_ended_early_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.types.oauth2.FRESH", -timedelta(seconds=1))
    instance, process = Instance(), ServiceNowConnectorType()
    with vendor(instance) as running:
        connection = connect(running, OAUTH, auth="oauth2_client", client_id=CLIENT)
        send(process, connection, {}, "msg_1")
        instance.refused.add("token-1")
        outcome = send(process, connection, {}, "msg_2")
    assert outcome.reason is Reason.OK
    assert len(instance.grants) == 2


def test_a_client_that_is_refused_is_told() -> None:
    with vendor(Instance()) as running:
        connection = connect(running, {"client_secret": "wrong-secret"}, auth="oauth2_client", client_id=CLIENT)
        outcome = send(ServiceNowConnectorType(), connection, {})
        step = probe(running, {"client_secret": "wrong-secret"}, auth="oauth2_client", client_id=CLIENT)[-1]
    assert outcome.reason is Reason.BAD_CONFIG
    assert "invalid_client" in outcome.detail
    assert (step.name, step.reason) == ("token", Reason.BAD_CONFIG)
    assert step.advice


def test_the_token_endpoint_gets_secrets_and_so_is_a_target() -> None:
    config = ServiceNowConfig(
        api_url="https://x.service-now.com", auth="oauth2_client", client_id="c", token_url="https://id.example/token"
    )
    assert connector_type.targets(config) == {"https://x.service-now.com:443", "https://id.example:443"}


@pytest.mark.parametrize(
    "config",
    [{"auth": "oauth2_client"}, {"auth": "oauth2_jwt", "client_id": "c"}, {"token_url": "nonsense"}, {"api_url": "x"}],
)
def test_settings_that_do_not_go_together_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"needs|http"):
        ServiceNowConfig.model_validate({"api_url": "https://x.service-now.com", **config})


# --- The test of a connector ---


def test_the_probe_reads_one_record_and_writes_none() -> None:
    instance = Instance()
    with vendor(instance) as running:
        steps = probe(running)
    assert [(step.name, step.reason) for step in steps[-2:]] == [("authenticate", Reason.OK), ("table", Reason.OK)]
    assert [(call.method, call.query["sysparm_limit"]) for call in running.calls] == [("GET", ["1"])]


def test_the_probe_tells_wrong_credentials() -> None:
    with vendor(Instance()) as running:
        step = probe(running, {"username": USER, "password": "wrong-password"})[-1]
    assert (step.name, step.reason) == ("authenticate", Reason.BAD_CONFIG)
    assert "User Not Authenticated" in step.detail
    assert step.advice


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {"error": {"message": "Insufficient rights to query records", "detail": "ACL"}, "status": "failure"}),
        (200, b"<html>Instance Hibernating page</html>"),
        (404, b"<html>"),
    ],
)
def test_the_probe_tells_what_is_no_table_for_this_user(status: int, body: Any) -> None:
    with vendor(lambda _: Answer(status, body)) as running:
        step = probe(running)[-1]
    assert (step.name, step.reason) == ("table", Reason.BAD_CONFIG)
    assert "itil" in step.advice


# --- Kibana ---


def test_kibanas_connector_with_a_password_waits_for_it() -> None:
    adopted = connector_type.adopt({"apiUrl": "https://x.service-now.com", "usesTableApi": False})
    assert (adopted.config, adopted.awaited) == ({"api_url": "https://x.service-now.com"}, ("username", "password"))
    assert "Table API" in adopted.warnings[0]


def test_kibanas_connector_with_a_jwt_waits_for_the_key() -> None:
    config = {"apiUrl": "https://x.service-now.com", "isOAuth": True, "clientId": "c", "jwtKeyId": "k"}
    adopted = connector_type.adopt(config | {"userIdentifierValue": "u", "usesTableApi": True})
    assert ServiceNowConfig.model_validate(adopted.config).auth == "oauth2_jwt"
    assert (adopted.awaited, adopted.warnings) == (("client_secret", "private_key"), ())
