"""Incidents reach ServiceNow as its Table API takes them, and none is made twice. Sources: see instance."""

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

from actions.templating import compile_params
from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.base import Connection, Message
from connectors.types.servicenow import connector_type
from connectors.types.servicenow.connector import ServiceNowConnectorType
from connectors.types.servicenow.schemas import ServiceNowConfig, ServiceNowParams, ServiceNowSecrets
from connectors.types.tickets import SETTLES
from tests.connectors.types.servicenow.instance import CLIENT, CLIENT_SECRET, PASSWORD, USER, Instance, claims_of
from tests.vendors import Answer, Vendor, vendor

BASIC = {"username": USER, "password": PASSWORD}
OAUTH = {"client_secret": CLIENT_SECRET}


def connect(
    running: Vendor, secrets: dict[str, str] | None = None, **config: Any
) -> Connection[ServiceNowConfig, ServiceNowSecrets]:
    settings = ServiceNowConfig.model_validate({"api_url": running.url, **config})
    # Without a row, access tokens are not kept.
    return Connection(None, 1, settings, ServiceNowSecrets.model_validate(secrets or BASIC))  # type: ignore[arg-type]


def deliver(running: Vendor, params: dict[str, Any], webhook_id: str = "msg_1") -> Outcome:
    return send(connector_type, connect(running), params, webhook_id)


def send(
    process: ServiceNowConnectorType,
    connection: Connection[ServiceNowConfig, ServiceNowSecrets],
    params: dict[str, Any],
    webhook_id: str = "msg_1",
) -> Outcome:
    message = Message(7, webhook_id, ServiceNowParams.model_validate({"short_description": "disk full", **params}))
    (outcome,) = process.deliver(connection, [message])
    return outcome


def probe(running: Vendor, secrets: dict[str, str] | None = None, **config: Any) -> list[Step]:
    return list(ServiceNowConnectorType().probe(connect(running, secrets, **config), timeout=5.0))


# --- Making incidents ---


def test_an_incident_carries_every_field() -> None:
    instance = Instance()
    params = {
        "correlation_id": "disk/7",
        "correlation_display": "Monitoring",
        "short_description": "disk\nfull",
        "description": "No space left.",
        "urgency": "1",
        "impact": "2",
        "severity": "3",
        "priority": "1",
        "category": "hardware",
        "subcategory": "disk",
        "work_notes": "seen",
        "comments": "we are on it",
        "additional_fields": {
            "u_site": "web",
            "u_at": "2026-11-30T10:00:00.123+02:00",
            "assigned_to": "",
            "u_text": "at 2026-11-30T10:00:00Z",
        },
    }
    with vendor(instance) as running:
        outcome = deliver(running, params)
    assert (outcome.reason, outcome.detail) == (Reason.OK, "ServiceNow made INC0000000.")
    (incident,) = instance.incidents
    assert incident == {
        "active": "true",
        "state": "1",
        "sys_id": "0" * 32,
        "number": "INC0000000",
        "correlation_id": "disk/7",
        "correlation_display": "Monitoring",
        "short_description": "disk full",
        "description": "No space left.",
        "urgency": "1",
        "impact": "2",
        "severity": "3",
        "priority": "1",
        "category": "hardware",
        "subcategory": "disk",
        "u_site": "web",
        "u_at": "2026-11-30 08:00:00",
        "assigned_to": "",
        "u_text": "at 2026-11-30T10:00:00Z",
    }
    assert instance.notes == [("work_notes", "seen"), ("comments", "we are on it")]


@pytest.mark.parametrize(
    "correlation_id",
    ["", "disk/7", "rule:alert 7", "x" * 101, "a^active=true", "javascript:gs.log(1)", "NULL", " x", "é", "a\nb"],
)
@pytest.mark.parametrize("sub_action", ["pushToService", "createIncident"])
def test_a_retry_after_a_lost_answer_makes_no_second_incident(correlation_id: str, sub_action: str) -> None:
    instance = Instance(lose="POST")
    params = {"correlation_id": correlation_id, "sub_action": sub_action}
    with vendor(instance) as running:
        first = deliver(running, params)
        second = deliver(running, params)
    assert (first.reason, first.retry_after, second.reason) == (Reason.RETRY_HTTP_5XX, SETTLES, Reason.OK)
    assert len(instance.incidents) == 1


@pytest.mark.parametrize("params", [{"correlation_id": "disk"}, {"correlation_display": "Monitoring"}])
def test_a_retry_finds_its_incident_even_when_somebody_has_closed_it(params: dict[str, Any]) -> None:
    instance = Instance(lose="POST")
    with vendor(instance) as running:
        deliver(running, params)
        instance.incidents[0]["active"] = "false"
        assert deliver(running, params).reason is Reason.OK
    assert len(instance.incidents) == 1


def test_what_happens_again_after_an_incident_is_closed_makes_another() -> None:
    instance = Instance()
    with vendor(instance) as running:
        deliver(running, {"correlation_id": "disk"}, "msg_1")
        deliver(running, {"correlation_id": "disk", "sub_action": "closeIncident"}, "msg_2")
        assert deliver(running, {"correlation_id": "disk"}, "msg_3").detail == "ServiceNow made INC0000001."


def test_ids_that_differ_by_case_are_different() -> None:
    instance = Instance()
    with vendor(instance) as running:
        for number, correlation_id in enumerate(["Disk", "disk"]):
            deliver(running, {"correlation_id": correlation_id}, f"msg_{number}")
    assert len(instance.incidents) == 2


def test_what_is_too_long_is_cut() -> None:
    instance = Instance()
    long = {"short_description": "x" * 300, "description": "y" * 5000, "correlation_display": "z" * 200}
    with vendor(instance) as running:
        assert deliver(running, long).reason is Reason.OK
    assert instance.incidents[0]["short_description"] == "x" * 157 + "..."


# --- Incidents that are there ---


def test_a_push_updates_the_active_incident() -> None:
    instance = Instance()
    with vendor(instance) as running:
        deliver(running, {"correlation_id": "disk"}, "msg_1")
        again = {"correlation_id": "disk", "short_description": "disk fuller", "work_notes": "again"}
        outcome = deliver(running, again, "msg_2")
    assert (outcome.reason, outcome.detail) == (Reason.OK, "ServiceNow updated INC0000000.")
    assert [incident["short_description"] for incident in instance.incidents] == ["disk fuller"]
    assert instance.notes == [("work_notes", "again")]


def test_create_leaves_an_incident_that_is_there_as_it_is() -> None:
    instance = Instance()
    create = {"sub_action": "createIncident", "correlation_id": "disk"}
    with vendor(instance) as running:
        deliver(running, create, "msg_1")
        outcome = deliver(running, create | {"short_description": "other", "work_notes": "again"}, "msg_2")
    assert outcome.detail == "INC0000000 is there already."
    assert (instance.incidents[0]["short_description"], instance.notes) == ("disk full", [])


def test_an_incident_is_closed_by_its_correlation_id() -> None:
    instance = Instance()
    close = {"sub_action": "closeIncident", "correlation_id": "disk", "close_code": "Solution provided"}
    with vendor(instance) as running:
        deliver(running, {"correlation_id": "disk"})
        outcome = deliver(running, close | {"work_notes": "recovered"})
        assert (outcome.reason, outcome.detail) == (Reason.OK, "ServiceNow closed INC0000000.")
        again = deliver(running, close)
    assert again.reason is Reason.OK
    assert again.detail == "ServiceNow has no active incident with the correlation ID disk: there is nothing to close."
    (incident,) = instance.incidents
    assert (incident["active"], incident["close_code"]) == ("false", "Solution provided")
    assert incident["short_description"] == "disk full"


def test_an_incident_is_named_by_its_sys_id() -> None:
    instance = Instance()
    with vendor(instance) as running:
        deliver(running, {})
        assert deliver(running, {"sub_action": "updateIncident", "external_id": "0" * 32}).reason is Reason.OK
        outcome = deliver(running, {"sub_action": "updateIncident", "external_id": "f" * 32})
    assert outcome.reason is Reason.PERMANENT_4XX
    assert outcome.detail == ("HTTP 404: No Record found: Record doesn't exist or ACL restricts the record retrieval.")


def test_an_update_of_an_incident_that_nobody_made_is_told() -> None:
    with vendor(Instance()) as running:
        outcome = deliver(running, {"sub_action": "updateIncident", "correlation_id": "disk"})
    assert outcome.reason is Reason.PERMANENT_4XX
    assert outcome.detail == "ServiceNow has no active incident with the correlation ID disk."


# --- Event text ---


@pytest.mark.parametrize(
    ("field", "template", "expected"),
    [
        ("work_notes", "{{ event.data.x }}", "[\u200bcode]<b>[\u200b/code]"),
        ("comments", "[code]<i>{{ event.data.x }}</i>[/code]", "[code]<i>&#91;code]&lt;b&gt;&#91;/code]</i>[/code]"),
        ("additional_fields", {"u_journal": "{{ event.data.x }}"}, {"u_journal": "[\u200bcode]<b>[\u200b/code]"}),
        ("description", "{{ event.data.x }}", "[code]<b>[/code]"),
    ],
)
def test_values_are_no_html_in_journals(field: str, template: Any, expected: Any) -> None:
    config = ServiceNowConfig(api_url="https://x.service-now.com")
    params = {field: template}
    compiled = compile_params(params, lambda field: connector_type.template_format(config, params, field))
    assert compiled.render({"event": {"data": {"x": "[code]<b>[/code]"}}}) == {field: expected}


# --- What ServiceNow refuses ---


def test_what_the_user_may_not_do_is_told() -> None:
    with vendor(Instance(may_write=False)) as running:
        outcome = deliver(running, {})
    assert outcome.reason is Reason.PERMANENT_4XX
    assert outcome.detail == ("HTTP 403: Operation Failed: ACL Exception Insert Failed due to security constraints.")


def test_past_the_rate_limit_the_message_waits() -> None:
    said = {"error": {"message": "Rate limit exceeded", "detail": "Rejected by large REST APIs semaphore."}}
    with vendor(lambda _: Answer(429, said, {"retry-after": "120", "x-ratelimit-limit": "50"})) as running:
        outcome = deliver(running, {})
    assert (outcome.reason, outcome.retry_after) == (Reason.RETRY_429, 120.0)
    assert "Rate limit exceeded" in outcome.detail


@pytest.mark.parametrize("body", [b"<html>Instance Hibernating page</html>", {"result": "none"}, {"x": 1}])
def test_an_answer_that_is_not_the_table_apis_makes_no_incident(body: Any) -> None:
    with vendor(lambda _: Answer(200, body)) as running:
        outcome = deliver(running, {})
    assert outcome.reason is Reason.BAD_CONFIG
    assert "asleep" in outcome.detail
    assert [call.method for call in running.calls] == ["GET"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"sub_action": "{{ x }}"}, "sub_action"),
        ({"sub_action": "closeIncident"}, "correlation_id"),
        ({"short_description": " "}, "short_description"),
        ({"external_id": "../sys_user"}, "external_id"),
        ({"external_id": "0" * 32, "sub_action": "createIncident"}, "external_id"),
    ],
)
def test_what_templates_yield_is_checked_with_the_field_named(params: dict[str, Any], said: str) -> None:
    with vendor(Instance()) as running:
        outcome = deliver(running, params)
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert said in outcome.detail
    assert not running.calls


@pytest.mark.parametrize("params", [{"sub_action": "getFields"}, {"additional_fields": {"impact": "1"}}])
def test_what_servicenow_cannot_take_is_refused_when_saved(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Use one of|of its own"):
        ServiceNowParams.model_validate(params)


# --- OAuth ---


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
