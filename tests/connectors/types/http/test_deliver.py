"""A message becomes the request that the connector and the action describe."""

import json
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from pytest_django import Settings

from connectors.net.headers import RESERVED
from connectors.net.pool import pool
from connectors.outcomes import Outcome, Reason
from connectors.types.base import Connection, Message, Paced
from connectors.types.http import connector_type
from connectors.types.http.credentials import HttpSecrets
from connectors.types.http.schemas import HttpConfig, HttpParams
from connectors.version import VERSION
from tests.contract.scripted import Peer, ScriptedServer, answering, header, http_answer, scripted


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted(answering(http_answer(200))) as running:
        yield running
    pool.clear()


def connect(url: str, secrets: dict[str, str] | None = None, **config: Any) -> Connection[HttpConfig, HttpSecrets]:
    settings = {"url": url, "timeout": 5} | config
    return Connection(1, 1, HttpConfig.model_validate(settings), HttpSecrets.model_validate(secrets or {}))


def send(connection: Connection[HttpConfig, HttpSecrets], **params: Any) -> Outcome:
    # As the engine hands them over: rendered, and not checked a second time.
    message = Message(1, "msg_1", HttpParams.model_construct(**{"body": "{}", **params}))
    (outcome,) = connector_type.deliver(connection, [message])
    return outcome


def sent(server: ScriptedServer) -> tuple[str, bytes, bytes]:
    """Return the request line, the head and the body of the last request."""
    head, _, body = server.requests[-1].partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode(), head, body


def test_a_message_names_itself_and_its_sender(server: ScriptedServer) -> None:
    before = int(time.time())
    assert send(connect(server.url + "hook")).reason is Reason.OK
    line, head, body = sent(server)
    assert (line, body) == ("POST /hook HTTP/1.1", b"{}")
    assert header(head, b"webhook-id") == b"msg_1"
    assert before <= int(header(head, b"webhook-timestamp")) <= time.time()
    assert header(head, b"user-agent") == f"Switchyard/{VERSION}".encode()
    assert header(head, b"content-type") == b"application/json"
    assert header(head, b"authorization") == b""


@pytest.mark.parametrize(
    ("body", "raw"),
    [
        ("text as it is ü", "text as it is ü".encode()),
        ("", b""),
        ({"a": [1, None, "ü"]}, '{"a":[1,null,"ü"]}'.encode()),
        ([], b"[]"),
        (5, b"5"),
        (False, b"false"),
    ],
)
def test_a_body_is_sent_as_text_or_as_json(server: ScriptedServer, body: object, raw: bytes) -> None:
    assert send(connect(server.url), body=body).reason is Reason.OK
    assert sent(server)[2] == raw
    assert header(sent(server)[1], b"content-length") == str(len(raw)).encode()


@pytest.mark.parametrize(("method", "body"), [("GET", "{}"), ("DELETE", None), ("POST", None)])
def test_no_body_has_no_content_type(server: ScriptedServer, method: str, body: object) -> None:
    assert send(connect(server.url, method=method), body=body).reason is Reason.OK
    line, head, raw = sent(server)
    assert (line.split()[0], raw) == (method, b"")
    assert header(head, b"content-type") == b""


@pytest.mark.parametrize(
    ("url", "path", "query", "target"),
    [
        ("", "", {}, "/"),
        ("a", "", {}, "/a"),
        ("a", "b", {}, "/a/b"),
        ("a/", "/b/", {}, "/a/b/"),
        ("a?x=1", "b", {}, "/a/b?x=1"),
        ("a?x=1", "", {"y": "2"}, "/a?x=1&y=2"),
        ("a", "", {"n": 5, "f": 1.5, "b": True, "e": ""}, "/a?n=5&f=1.5&b=true&e="),
        ("a", "b c/%2Fd", {}, "/a/b%20c/%2Fd"),
        ("a", "100%/ü", {}, "/a/100%25/%C3%BC"),
        ("a", "", {"q&": "a&b=c#d+e%26f g"}, "/a?q%26=a%26b%3Dc%23d%2Be%26f%20g"),
        ("a%2E/../b", "c", {}, "/a%2E/../b/c"),
    ],
)
def test_path_and_query_are_added_to_the_url(
    server: ScriptedServer, url: str, path: str, query: dict[str, Any], target: str
) -> None:
    assert send(connect(server.url + url), path=path, query=query).reason is Reason.OK
    assert sent(server)[0] == f"POST {target} HTTP/1.1"


@pytest.mark.parametrize(
    "path", ["..", "a/../b", "a/..", "./a", "a/%2e%2E/b", "a/.%2e", "a?b", "a#b", "a\\b", "\ud800"]
)
def test_a_path_does_not_lead_out_of_the_url(server: ScriptedServer, path: str) -> None:
    outcome = send(connect(server.url + "hooks/"), path=path)
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert "path" in outcome.detail
    assert server.connections == 0


@pytest.mark.parametrize("path", ["a\r\nX: y", "a\0b", "//evil.test/", "@evil.test", ":99/"])
def test_a_path_is_never_more_than_a_path(server: ScriptedServer, path: str) -> None:
    assert send(connect(server.url), path=path).reason is Reason.OK
    assert header(sent(server)[1], b"host") == f"127.0.0.1:{server.port}".encode()
    assert header(sent(server)[1], b"x") == b""
    assert server.requests[-1].count(b"HTTP/1.1") == 1


def test_an_action_may_choose_the_method_and_headers_win(server: ScriptedServer) -> None:
    connection = connect(server.url, headers={"X-A": "config", "X-B": "config", "Content-Type": "text/plain"})
    send(connection, method="PUT", headers={"x-a": "action", "User-Agent": "mine", "X-Empty": ""})
    line, head, _ = sent(server)
    assert line == "PUT / HTTP/1.1"
    assert [header(head, name) for name in (b"x-a", b"x-b", b"content-type", b"user-agent")] == [
        b"action",
        b"config",
        b"text/plain",
        b"mine",
    ]
    assert b"\r\nx-empty:" in head
    assert head.lower().count(b"x-a:") == 1


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0", "a\x7f", "ü", "\ud800", "x" * 8193])
def test_row_11_a_rendered_header_value_that_is_not_plain_is_a_template_error(
    server: ScriptedServer, value: str
) -> None:
    outcome = send(connect(server.url), headers={"X-A": value})
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert "X-A" in outcome.detail
    assert value not in outcome.detail
    assert server.connections == 0


@pytest.mark.parametrize("name", [*sorted(RESERVED), "HOST", "a\r\nb", "a b", ""])
def test_row_11_a_rendered_header_name_that_is_reserved_is_a_template_error(server: ScriptedServer, name: str) -> None:
    assert send(connect(server.url), headers={name: "1"}).reason is Reason.TEMPLATE_ERROR
    assert server.connections == 0


def test_basic_authentication(server: ScriptedServer) -> None:
    send(connect(server.url, {"password": "pässword:1"}, auth="basic", username="me"))
    assert header(sent(server)[1], b"authorization") == b"Basic " + b64encode("me:pässword:1".encode())


def test_bearer_authentication_and_no_way_around_it(server: ScriptedServer) -> None:
    connection = connect(server.url, {"token": "t0ken", "password": "unused"}, auth="bearer")
    send(connection)
    assert header(sent(server)[1], b"authorization") == b"Bearer t0ken"
    assert send(connection, headers={"Authorization": "Bearer other"}).reason is Reason.TEMPLATE_ERROR


def test_secrets_that_the_config_does_not_use_are_not_sent(server: ScriptedServer) -> None:
    send(connect(server.url, {"token": "t0ken", "password": "pw"}))
    assert b"t0ken" not in server.requests[-1]
    assert header(sent(server)[1], b"authorization") == b""


def test_a_message_that_cannot_be_written_stops_no_other(server: ScriptedServer) -> None:
    bodies: list[Any] = ["1", "\ud800", "3", ["\ud800"], "5", {"n": 2**70}]
    messages = (Message(n, f"msg_{n}", HttpParams.model_construct(body=body)) for n, body in enumerate(bodies))
    outcomes = {outcome.key: outcome.reason for outcome in connector_type.deliver(connect(server.url), messages)}
    assert outcomes == {n: Reason.TEMPLATE_ERROR if n % 2 else Reason.OK for n in range(6)}


def test_the_settings_bound_how_many_are_under_way(server: ScriptedServer, settings: Settings) -> None:
    settings.CONNECTOR_CONCURRENCY = 3
    messages = (Message(n, f"msg_{n}", HttpParams()) for n in range(60))
    assert len(list(connector_type.deliver(connect(server.url), messages))) == 60
    assert server.connections <= 3


def test_a_connector_may_bound_it_further(server: ScriptedServer) -> None:
    connection = replace(connect(server.url), max_concurrency=2)
    messages = (Message(n, f"msg_{n}", HttpParams()) for n in range(60))
    assert len(list(connector_type.deliver(connection, messages))) == 60
    assert server.connections <= 2


def test_what_is_paced_is_not_taken_before_its_time_while_others_are_under_way(server: ScriptedServer) -> None:
    waits = [0.01] * 20
    under_way = taken_early = 0

    def messages() -> Iterator[Message[HttpParams]]:
        nonlocal under_way, taken_early
        for n in range(10):
            taken_early += bool(under_way and waits)
            under_way += 1
            yield Message(n, f"msg_{n}", HttpParams())

    paced = Paced(messages(), lambda: waits.pop() if waits else 0.0)
    for _ in connector_type.deliver(connect(server.url), paced):
        under_way -= 1
    assert len(server.requests) == 10
    assert not taken_early


def test_connections_are_kept_between_batches(server: ScriptedServer) -> None:
    for _ in range(5):
        send(connect(server.url))
    assert server.connections == 1


def test_a_changed_connector_is_used_as_it_is_now(server: ScriptedServer) -> None:
    send(connect(server.url + "old", {"token": "old"}, auth="bearer"))
    send(connect(server.url + "new", {"token": "new"}, auth="bearer"))
    line, head, _ = sent(server)
    assert (line, header(head, b"authorization")) == ("POST /new HTTP/1.1", b"Bearer new")


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[fd00:ec2::254]/",
        "http://metadata.google.internal/",
        "http://2130706433:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://0x7f.1:{port}/",
        "http://127.1:{port}/",
        "http://0:{port}/",
        "http://①②⑦.⓪.⓪.①:{port}/",
        "http://127。0。0。1:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[::127.0.0.1]:{port}/",
        "http://[64:ff9b::7f00:1]:{port}/",
        "http://[2002:7f00:1::]:{port}/",
        "http://localhost:{port}/",
        "http://127.0.0.1:{port}/",
    ],
)
def test_rows_1_to_4_a_denied_target_is_blocked_when_sent(server: ScriptedServer, settings: Settings, url: str) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = []
    outcome = send(connect(url.format(port=server.port)))
    assert outcome.reason is Reason.BLOCKED_TARGET
    assert "NETWORK_ALLOWED_PRIVATE" in outcome.detail
    assert server.connections == 0


def test_a_host_that_is_no_longer_allowed_is_blocked_when_sent(server: ScriptedServer, settings: Settings) -> None:
    assert send(connect(server.url)).reason is Reason.OK
    settings.NETWORK_ALLOWED_HOSTS = ["*.example.com"]
    assert send(connect(server.url)).reason is Reason.BLOCKED_TARGET
    assert len(server.requests) == 1


FRAGMENTS = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 503 \xff\x00",
    b"HTTP/1.1 100 Continue",
    b"HTTP/2 200",
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b"content-length: 5",
    b"content-length: -1",
    b"transfer-encoding: chunked",
    b"5\r\nabcde\r\n0\r\n\r\n",
    b"content-encoding: gzip",
    b"retry-after: 5",
    b"retry-after: Mon, 23 Nov 2026 12:02:00 +9999",
    b"location: \xed\xa0\x80\x00",
    b"abcde",
    b"\x00",
]


@profile(max_examples=200, deadline=None)
@given(pieces=st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=20), max_size=12))
def test_whatever_a_server_sends_is_one_outcome_that_can_be_stored(pieces: list[bytes]) -> None:
    def say(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"".join(pieces))

    with scripted(say) as running:
        outcome = send(connect(running.url))
    text = json.dumps([outcome.detail, outcome.request, outcome.response], allow_nan=False)
    assert "\\u0000" not in text
    assert "\\ud8" not in text
    assert outcome.retry_after is None or 0 <= outcome.retry_after <= 86400
