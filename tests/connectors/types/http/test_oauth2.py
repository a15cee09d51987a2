"""Access tokens by client credentials (RFC 6749, section 4.4): asked for once, shared, renewed in time, never shown."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
import time_machine
from pytest_django import Settings

from connectors.models import AccessToken, Connector
from connectors.net.pool import pool
from connectors.outcomes import Outcome, Reason
from connectors.services import open_connection, probe_connector, update_connector
from connectors.types.base import Message
from connectors.types.http.connector import HttpConnectorType
from connectors.types.http.schemas import HttpParams
from connectors.types.oauth2 import FRESH
from spaces.models import Space
from tests.contract.scripted import ScriptedServer, answering, header, http_answer, scripted
from tests.factories import make_connector, make_space
from tests.servers import free_port

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "S3CR3T-canary-oauth"


class Endpoint:
    """A token endpoint: gives out token-1, token-2 and so on, or answers as it is told."""

    def __init__(self) -> None:
        self.given = 0
        self.lifetime: Any = 3600
        self.answer: Callable[[], bytes] | None = None

    def __call__(self, request: bytes) -> bytes:
        if self.answer is not None:
            return self.answer()
        self.given += 1
        body = {"access_token": f"token-{self.given}", "token_type": "Bearer", "expires_in": self.lifetime}
        return http_answer(200, json.dumps(body).encode(), b"content-type: application/json")


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def tokens(endpoint: Endpoint) -> Iterator[ScriptedServer]:
    with scripted(answering(endpoint)) as running:
        yield running
    pool.clear()


class System:
    """What the tokens are for: takes them all but those that it is told to refuse."""

    def __init__(self) -> None:
        self.refused: set[str] = set()
        self.seen: list[str] = []

    def __call__(self, request: bytes) -> bytes:
        token = header(request, b"authorization").decode().removeprefix("Bearer ")
        self.seen.append(token)
        return http_answer(401 if token in self.refused else 200, f"you sent {token}".encode())


@pytest.fixture
def system() -> System:
    return System()


@pytest.fixture
def url(system: System) -> Iterator[str]:
    with scripted(answering(system)) as running:
        yield running.url
    pool.clear()


@pytest.fixture
def space() -> Space:
    return make_space()


@pytest.fixture
def connector(space: Space, url: str, tokens: ScriptedServer) -> Connector:
    return make_connector(
        space,
        url,
        public_id="desk",
        auth="oauth2",
        token_url=f"{tokens.url}token",
        client_id="me & co",
        scope="send read",
        token_fields={"audience": "desk"},
        secrets={"client_secret": CANARY},
    )


def deliver(connector: Connector, count: int = 1, process: HttpConnectorType | None = None) -> list[Outcome]:
    """Send messages as one process does, a new one unless it is given."""
    row = Connector.objects.get(pk=connector.pk)
    messages = [Message(n, f"msg_{n}", HttpParams(body="{}")) for n in range(count)]
    return list((process or HttpConnectorType()).deliver(open_connection(row), messages))


def reasons(outcomes: list[Outcome]) -> set[Reason]:
    return {outcome.reason for outcome in outcomes}


# --- Asking ---


def test_the_request_is_that_of_the_standard(connector: Connector, tokens: ScriptedServer) -> None:
    assert reasons(deliver(connector)) == {Reason.OK}
    (request,) = tokens.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /token HTTP/1.1")
    assert header(head, b"content-type") == b"application/x-www-form-urlencoded"
    assert parse_qs(body.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["send read"],
        "audience": ["desk"],
    }
    scheme, _, credentials = header(head, b"authorization").decode().partition(" ")
    assert (scheme, b64decode(credentials).decode()) == ("Basic", f"me+%26+co:{CANARY}")


def test_credentials_go_into_the_body_where_the_endpoint_wants_them_there(
    connector: Connector, tokens: ScriptedServer
) -> None:
    update_connector(connector, config=connector.config | {"client_auth": "body"})
    assert reasons(deliver(connector)) == {Reason.OK}
    head, _, body = tokens.requests[0].partition(b"\r\n\r\n")
    form = parse_qs(body.decode())
    assert (form["client_id"], form["client_secret"]) == (["me & co"], [CANARY])
    assert header(head, b"authorization") == b""


def test_many_messages_at_once_ask_once(connector: Connector, endpoint: Endpoint, system: System) -> None:
    assert reasons(deliver(connector, 200)) == {Reason.OK}
    assert (endpoint.given, set(system.seen)) == (1, {"token-1"})


def test_processes_share_the_token_through_the_database(connector: Connector, endpoint: Endpoint) -> None:
    for _ in range(3):
        deliver(connector)
    assert endpoint.given == 1


def test_the_token_is_encrypted_where_it_is_kept(connector: Connector) -> None:
    deliver(connector)
    row = AccessToken.objects.get(connector=connector)
    assert b"token-1" not in row.token.token
    assert row.token.open()["token"].get_secret_value() == "token-1"


def test_an_edit_drops_the_token(connector: Connector, endpoint: Endpoint) -> None:
    process = HttpConnectorType()
    deliver(connector, process=process)
    update_connector(connector, config=connector.config | {"scope": "send"})
    deliver(connector, process=process)
    assert endpoint.given == 2


# --- Renewing ---


@pytest.mark.parametrize(("lifetime", "still"), [(3600, 3530), (30, 23), (300, 235)])
def test_a_token_is_replaced_before_it_ends(
    connector: Connector, endpoint: Endpoint, lifetime: int, still: int
) -> None:
    endpoint.lifetime = lifetime
    process, now = HttpConnectorType(), datetime.now(UTC)
    deliver(connector, process=process)
    with time_machine.travel(now + timedelta(seconds=still), tick=False):
        deliver(connector, process=process)
    assert endpoint.given == 1
    with time_machine.travel(now + timedelta(seconds=lifetime), tick=False):
        deliver(connector, process=process)
    assert endpoint.given == 2


@pytest.mark.parametrize("lifetime", [None, "soon", float("nan"), "NaN", {}])
def test_a_lifetime_that_makes_no_sense_counts_as_five_minutes(
    connector: Connector, endpoint: Endpoint, lifetime: object
) -> None:
    endpoint.lifetime = lifetime
    assert reasons(deliver(connector, 5)) == {Reason.OK}
    assert endpoint.given == 1
    left = AccessToken.objects.get(connector=connector).expires_at - datetime.now(UTC)
    assert timedelta(seconds=230) < left <= timedelta(seconds=240)


@pytest.mark.parametrize("lifetime", [float("inf"), 1e300, 10**12])
def test_a_lifetime_without_end_has_one(connector: Connector, endpoint: Endpoint, lifetime: float) -> None:
    endpoint.lifetime = lifetime
    assert reasons(deliver(connector)) == {Reason.OK}
    assert AccessToken.objects.get(connector=connector).expires_at < datetime.now(UTC) + timedelta(days=31)


def test_a_refused_token_is_replaced_once_and_the_message_sent_again(
    connector: Connector, endpoint: Endpoint, system: System
) -> None:
    process = HttpConnectorType()
    deliver(connector, process=process)
    system.refused = {"token-1"}
    with time_machine.travel(datetime.now(UTC) + 2 * FRESH, tick=True):
        outcomes = deliver(connector, 20, process=process)
    assert reasons(outcomes) == {Reason.OK}
    assert endpoint.given == 2
    assert sorted(outcome.key for outcome in outcomes) == list(range(20))


def test_a_fresh_token_that_is_refused_is_not_asked_for_again(
    connector: Connector, endpoint: Endpoint, system: System
) -> None:
    system.refused = {f"token-{number}" for number in range(100)}
    outcomes = deliver(connector, 20)
    assert reasons(outcomes) == {Reason.PERMANENT_4XX}
    assert endpoint.given == 1


# --- Failing ---


def test_an_endpoint_that_is_down_makes_each_message_wait_and_is_asked_rarely(
    connector: Connector, endpoint: Endpoint, tokens: ScriptedServer
) -> None:
    endpoint.answer = lambda: http_answer(503)
    outcomes = deliver(connector, 50)
    assert [len(outcomes), reasons(outcomes)] == [50, {Reason.RETRY_HTTP_5XX}]
    assert len(tokens.requests) == 1


def test_an_endpoint_that_is_not_there_is_a_reason_to_try_again(connector: Connector) -> None:
    config = connector.config | {"token_url": f"http://127.0.0.1:{free_port()}/token"}
    update_connector(connector, config=config, secrets={"client_secret": CANARY})
    (outcome,) = deliver(connector)
    assert outcome.reason is Reason.RETRY_CONNECT
    assert outcome.detail.startswith("The token endpoint: ")


def test_an_endpoint_that_refuses_says_why(connector: Connector, endpoint: Endpoint) -> None:
    said = json.dumps({"error": "invalid_client", "error_description": f"{CANARY} is wrong"}).encode()
    endpoint.answer = lambda: http_answer(401, said)
    (outcome,) = deliver(connector)
    assert outcome.reason is Reason.BAD_CONFIG
    assert outcome.detail == "The token endpoint gave no token: HTTP 401: invalid_client <secret> is wrong."


HOSTILE = {
    "a page": http_answer(200, b"<html>"),
    "nothing": http_answer(200),
    "a list": http_answer(200, b"[]"),
    "no token": http_answer(200, b"{}"),
    "an empty token": http_answer(200, b'{"access_token": ""}'),
    "a token with a line break": http_answer(200, b'{"access_token": "a\\r\\nx: y"}'),
    "a token with a NUL": http_answer(200, b'{"access_token": "a\\u0000"}'),
    "a number": http_answer(200, b'{"access_token": 5}'),
    "another kind": http_answer(200, b'{"access_token": "a", "token_type": "mac"}'),
    "a huge answer": http_answer(200, b'{"access_token": "' + b"a" * 100_000 + b'"}'),
    "a deep answer": http_answer(200, b"[" * 10_000),
    "no UTF-8": http_answer(200, b'{"access_token": "\xff"}'),
    "a redirect": http_answer(302, b"", b"location: http://169.254.169.254/"),
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_an_answer_without_a_token_is_an_outcome(connector: Connector, endpoint: Endpoint, answer: bytes) -> None:
    endpoint.answer = lambda: answer
    (outcome,) = deliver(connector)
    assert outcome.reason is Reason.BAD_CONFIG
    assert outcome.detail.startswith("The token endpoint gave no token")
    assert "\0" not in outcome.detail
    assert not AccessToken.objects.exists()


def test_the_endpoint_is_under_the_network_policy(connector: Connector, url: str, settings: Settings) -> None:
    settings.NETWORK_ALLOWED_HOSTS = ["127.0.0.1"]
    moved = connector.config | {"token_url": "http://localhost:9999/token"}
    Connector.objects.filter(pk=connector.pk).update(config=moved, version=99)
    (outcome,) = deliver(connector)
    assert (outcome.reason, "token endpoint" in outcome.detail) == (Reason.BLOCKED_TARGET, True)


def test_a_secret_does_not_follow_to_another_endpoint(connector: Connector) -> None:
    from spaces.errors import InvalidInput

    with pytest.raises(InvalidInput, match="/secrets/client_secret"):
        update_connector(connector, config=connector.config | {"token_url": "https://evil.example/token"})


# --- Showing ---


def test_a_token_that_the_system_says_back_is_masked(connector: Connector) -> None:
    (outcome,) = deliver(connector)
    assert outcome.response["body"] == "you sent <secret>"


def test_a_probe_asks_for_a_token_and_says_how_long_it_lasts(connector: Connector, endpoint: Endpoint) -> None:
    steps = {step.name: step for step in probe_connector(connector).steps}
    assert steps["token"].detail.startswith("The access token is good for 35")
    update_connector(connector, name="New")
    endpoint.answer = lambda: http_answer(400, b'{"error": "invalid_scope"}')
    failed = probe_connector(Connector.objects.get(pk=connector.pk)).steps[-1]
    assert (failed.name, failed.reason, "invalid_scope" in failed.detail) == ("token", Reason.BAD_CONFIG, True)
    assert failed.advice
