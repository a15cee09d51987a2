"""Messages go out side by side, as many as may and no more, and are pulled by one thread only when they are due."""

import threading
from collections.abc import Generator, Iterator

import pytest

from connectors.outcomes import Outcome, Reason
from connectors.types.base import Message, Paced, Params
from connectors.types.side_by_side import side_by_side

PARAMS = Params()


def messages(count: int) -> Iterator[Message[Params]]:
    for key in range(count):
        yield Message(key, f"msg-{key}", PARAMS)


def done(message: Message[Params]) -> Outcome:
    return Outcome(message.key, Reason.OK)


def test_so_many_are_under_way_at_once_and_no_more() -> None:
    together, most = threading.Barrier(4, timeout=30), []
    under_way, lock = 0, threading.Lock()

    def send(message: Message[Params]) -> Outcome:
        nonlocal under_way
        with lock:
            under_way += 1
            most.append(under_way)
        together.wait()  # until four of them are here
        with lock:
            under_way -= 1
        together.wait()
        return done(message)

    outcomes = list(side_by_side(messages(12), send, 4))
    assert sorted(outcome.key for outcome in outcomes) == list(range(12))
    assert max(most) == 4


def test_messages_are_pulled_in_the_callers_thread() -> None:
    pulled: set[str] = set()

    def source() -> Iterator[Message[Params]]:
        for message in messages(20):
            pulled.add(threading.current_thread().name)
            yield message

    list(side_by_side(source(), done, 3))
    assert pulled == {threading.current_thread().name}


def test_none_is_taken_before_its_time_while_others_are_under_way() -> None:
    finished = threading.Event()
    taken: list[int] = []

    def source() -> Iterator[Message[Params]]:
        for message in messages(2):
            taken.append(message.key)
            yield message

    def send(message: Message[Params]) -> Outcome:
        finished.wait(30)
        return done(message)

    asked = 0

    def wait() -> float:
        nonlocal asked
        asked += 1
        if asked == 3:
            assert taken == [0]
            finished.set()
        return 0.01

    assert [outcome.key for outcome in side_by_side(Paced(source(), wait), send, 5)] == [0, 1]


def test_what_a_sender_raises_is_raised_where_the_outcome_is_waited_for() -> None:
    def broken(message: Message[Params]) -> Outcome:
        raise LookupError("a fault of ours")

    with pytest.raises(LookupError, match="a fault of ours"):
        list(side_by_side(messages(3), broken, 2))


def test_what_is_under_way_beside_a_sender_that_raises_still_has_its_outcome() -> None:
    together = threading.Barrier(3, timeout=30)
    raised = threading.Event()

    def broken(message: Message[Params]) -> Outcome:
        together.wait()
        if message.key == 1:
            raised.set()
            raise LookupError("a fault of ours")
        assert raised.wait(30)
        return done(message)

    outcomes: list[int] = []
    with pytest.raises(LookupError, match="a fault of ours"):
        outcomes.extend(outcome.key for outcome in side_by_side(messages(3), broken, 3))
    assert sorted(outcomes) == [0, 2]


def test_a_caller_that_stops_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    outcomes = side_by_side(messages(10), done, 3)
    next(outcomes)
    assert isinstance(outcomes, Generator)
    outcomes.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive()
