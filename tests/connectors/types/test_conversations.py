"""Conversations of several requests go on side by side, end in time, and lose no outcome."""

import threading
from collections.abc import Iterator

import pytest

from connectors.net.exchange import Failure, Request, Response
from connectors.net.pool import pool
from connectors.outcomes import Outcome, Reason
from connectors.types.conversations import Conversation, hold
from tests.contract.scripted import Peer, answering, http_answer, scripted


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    pool.clear()


def ask(url: str, key: int, times: int, timeout: float = 5.0) -> Conversation:
    statuses = []
    for _ in range(times):
        result = yield Request("GET", url, {}, timeout=timeout)
        if isinstance(result, Failure):
            return (Outcome(key, result.reason, result.detail),)
        statuses.append(result.status)
    return (Outcome(key, Reason.OK, ",".join(map(str, statuses))),)


def test_each_conversation_sends_its_requests_in_turn() -> None:
    with scripted(answering(http_answer(200))) as server:
        outcomes = list(hold((ask(server.url, key, times=3) for key in range(20)), key="t", concurrency=4))
    assert {outcome.key: outcome.detail for outcome in outcomes} == dict.fromkeys(range(20), "200,200,200")
    assert len(server.requests) == 60


def test_one_that_hangs_keeps_no_other_from_going_on() -> None:
    """The second request of a quick one goes out while a slow one still waits for its first answer."""
    release = threading.Event()

    def slow(peer: Peer) -> None:
        while request := peer.read_request():
            if b"GET /slow" in request:
                release.wait(10)
            peer.send(http_answer(200))

    with scripted(slow) as server:
        held = hold([ask(server.url + "slow", 1, 1, 10), ask(server.url, 2, 3)], key="t", concurrency=2)
        assert next(held).key == 2
        release.set()
        assert next(held).key == 1


def test_all_requests_of_one_end_within_the_timeout_of_its_first() -> None:
    def third_hangs(peer: Peer) -> None:
        for _ in range(2):
            peer.read_request()
            peer.send(http_answer(200))
        peer.hang()

    with scripted(third_hangs) as server:
        (outcome,) = hold([ask(server.url, 1, times=3, timeout=0.5)], key="t", concurrency=1)
    assert outcome.reason is Reason.RETRY_TIMEOUT


def test_one_that_has_used_up_its_time_is_told_so_and_sends_no_more() -> None:
    def waits(url: str) -> Conversation:
        yield Request("GET", url, {}, timeout=0.2)
        threading.Event().wait(0.3)
        result = yield Request("GET", url, {}, timeout=5)
        assert isinstance(result, Failure)
        return (Outcome(1, result.reason, result.detail),)

    with scripted(answering(http_answer(200))) as server:
        (outcome,) = hold([waits(server.url)], key="t", concurrency=1)
    assert outcome.reason is Reason.RETRY_TIMEOUT
    assert len(server.requests) == 1


def test_one_that_ends_without_a_request_has_its_outcome() -> None:
    def refuses() -> Conversation:
        return (Outcome(1, Reason.TEMPLATE_ERROR, "no"),)
        yield

    assert [outcome.key for outcome in hold([refuses()], key="t", concurrency=1)] == [1]


def test_what_goes_on_is_not_held_up_by_what_is_not_to_be_had_yet() -> None:
    with scripted(answering(http_answer(200))) as server:
        begun: list[int] = []

        def source() -> Iterator[Conversation]:
            for key in (1, 2):
                begun.append(key)
                yield ask(server.url, key, times=3)

        # The second conversation is not to be had before the first has ended.
        held = hold(source(), key="t", concurrency=2, wait=lambda: 60.0 if len(server.requests) < 3 else 0.0)
        assert [outcome.key for outcome in held] == [1, 2]


def test_an_answer_is_the_result_as_it_came() -> None:
    def look(url: str) -> Conversation:
        result = yield Request("GET", url, {})
        assert isinstance(result, Response)
        return (Outcome(1, Reason.OK, result.body.decode()),)

    with scripted(answering(http_answer(200, b"hello"))) as server:
        (outcome,) = hold([look(server.url)], key="t", concurrency=1)
    assert outcome.detail == "hello"
