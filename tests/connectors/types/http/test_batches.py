"""Messages that a receiver takes together go in one request, and none suffers for another."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from standardwebhooks import Webhook

from connectors.net.pool import pool
from connectors.outcomes import Outcome, Reason
from connectors.types.base import Connection, Message, Paced
from connectors.types.http import connector_type
from connectors.types.http.credentials import HttpSecrets
from connectors.types.http.schemas import MAX_BATCH, HttpConfig, HttpParams
from tests.contract.scripted import ScriptedServer, answering, header, http_answer, scripted

SIGNING_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    pool.clear()


def message(key: int, size: int = 10, **params: Any) -> Message[HttpParams]:
    return Message(key, f"msg_{key}", HttpParams.model_validate({"body": {"n": key}, "batch_size": size} | params))


def send(server: ScriptedServer, messages: Sequence[Message[HttpParams]], **config: Any) -> dict[int, Outcome]:
    connection = Connection(
        1,
        1,
        HttpConfig.model_validate({"url": server.url} | config),
        HttpSecrets.model_validate({"signing_secret": SIGNING_SECRET} if config.get("signed") else {}),
    )
    return {outcome.key: outcome for outcome in connector_type.deliver(connection, messages)}


def bodies(server: ScriptedServer) -> list[bytes]:
    return [request.partition(b"\r\n\r\n")[2] for request in server.requests]


def refusing(number: int, status: int) -> Callable[[bytes], bytes]:
    def answer(request: bytes) -> bytes:
        numbers = [element["n"] for element in json.loads(request.partition(b"\r\n\r\n")[2])]
        return http_answer(status if number in numbers else 200)

    return answer


def test_as_many_as_the_batch_size_go_in_one_request_as_an_array() -> None:
    with scripted(answering(http_answer(200))) as server:
        outcomes = send(server, [message(key, size=4) for key in range(10)])
    # Requests that are under way together may arrive in any order.
    assert sorted([element["n"] for element in json.loads(body)] for body in bodies(server)) == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]
    assert {key: outcome.reason for key, outcome in outcomes.items()} == dict.fromkeys(range(10), Reason.OK)


def test_a_batch_names_each_of_its_messages_and_itself_alike_on_every_try() -> None:
    with scripted(answering(http_answer(500))) as server:
        for _ in range(2):
            send(server, [message(1), message(2)])
    first, second = (request.partition(b"\r\n\r\n")[0] for request in server.requests)
    assert header(first, b"webhook-ids") == b"msg_1,msg_2"
    assert header(first, b"webhook-id").startswith(b"batch_")
    assert header(first, b"webhook-id") == header(second, b"webhook-id")


def test_a_signed_batch_verifies() -> None:
    with scripted(answering(http_answer(200))) as server:
        send(server, [message(1), message(2)], signed=True)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    headers = {name: header(head, name.encode()).decode() for name in names}
    assert Webhook(SIGNING_SECRET).verify(body.decode(), headers) == [{"n": 1}, {"n": 2}]


def test_lines_go_where_the_content_type_says_so() -> None:
    texts = ('{"a":\n1}', '{"b":2}')
    with scripted(answering(http_answer(200))) as server:
        send(
            server,
            [
                message(key, body=text, headers={"Content-Type": "application/x-ndjson"})
                for key, text in enumerate(texts)
            ],
        )
    assert bodies(server) == [b'{"a": 1}\n{"b":2}\n']


def test_only_what_differs_in_nothing_but_the_body_goes_together() -> None:
    with scripted(answering(http_answer(200))) as server:
        send(server, [message(key, path="/even" if key % 2 == 0 else "/odd") for key in range(6)])
    lines = {request.split(b" ")[1]: json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests}
    assert lines == {b"/even": [{"n": 0}, {"n": 2}, {"n": 4}], b"/odd": [{"n": 1}, {"n": 3}, {"n": 5}]}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_message_that_spoils_its_batch_is_refused_alone(status: int) -> None:
    with scripted(answering(refusing(2, status))) as server:
        outcomes = send(server, [message(key) for key in range(4)])
    assert {key for key, outcome in outcomes.items() if outcome.reason is not Reason.OK} == {2}
    assert outcomes[2].reason is Reason.PERMANENT_4XX
    assert len(server.requests) == 5


@pytest.mark.parametrize(
    ("status", "reason"), [(401, Reason.PERMANENT_4XX), (429, Reason.RETRY_429), (503, Reason.RETRY_HTTP_5XX)]
)
def test_what_is_no_message_s_fault_is_the_outcome_of_all(status: int, reason: Reason) -> None:
    with scripted(answering(http_answer(status))) as server:
        outcomes = send(server, [message(key) for key in range(4)])
    assert {outcome.reason for outcome in outcomes.values()} == {reason}
    assert len(server.requests) == 1


def test_a_body_that_is_not_json_is_left_out_and_dies_alone() -> None:
    with scripted(answering(http_answer(200))) as server:
        outcomes = send(server, [message(1), message(2, body="{not json"), message(3)])
    assert outcomes[2].reason is Reason.TEMPLATE_ERROR
    assert "not JSON" in outcomes[2].detail
    assert json.loads(bodies(server)[0]) == [{"n": 1}, {"n": 3}]


def test_a_batch_of_another_content_type_is_a_template_error() -> None:
    with scripted(answering(http_answer(200))) as server:
        outcomes = send(server, [message(1, headers={"content-type": "text/plain"})])
    assert outcomes[1].reason is Reason.TEMPLATE_ERROR
    assert "text/plain" in outcomes[1].detail
    assert not server.requests


def test_what_has_no_body_goes_by_itself() -> None:
    with scripted(answering(http_answer(200))) as server:
        send(server, [message(1, method="GET"), message(2, method="GET")])
    assert len(server.requests) == 2


def test_a_batch_does_not_wait_to_be_full() -> None:
    ready = [message(1), message(2)]

    def source() -> Iterator[Message[HttpParams]]:
        yield from ready
        ready.clear()

    with scripted(answering(http_answer(200))) as server:
        connection = Connection(1, 1, HttpConfig(url=server.url), HttpSecrets())
        taken: list[int] = []

        def counted() -> Iterator[Message[HttpParams]]:
            for found in source():
                taken.append(found.key)
                yield found

        # The second is not to be had yet when the first is sent.
        paced = Paced(counted(), lambda: 0.01 if len(taken) == 1 and not server.requests else 0.0)
        list(connector_type.deliver(connection, paced))
    assert [json.loads(body) for body in bodies(server)] == [[{"n": 1}], [{"n": 2}]]


def test_the_ids_of_the_largest_batch_fit_a_header() -> None:
    with scripted(answering(http_answer(200))) as server:
        ids = [f"0d9f6f3e-7a53-4c6a-9d38-{key:012d}" for key in range(MAX_BATCH)]
        send(server, [Message(key, name, message(key, size=MAX_BATCH).params) for key, name in enumerate(ids)])
    head = server.requests[0].partition(b"\r\n\r\n")[0]
    assert header(head, b"webhook-ids").decode().split(",") == ids
    assert len(head) < 8192
