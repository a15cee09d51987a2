"""What goes together is what is to be had at once, in batches that are full at most."""

from collections.abc import Iterator

from connectors.types.base import Message, Paced
from connectors.types.gathering import Gathering
from connectors.types.http.schemas import HttpParams


def message(key: int, batch_size: int = 3, path: str = "") -> Message[HttpParams]:
    return Message(key, f"msg_{key}", HttpParams(batch_size=batch_size, path=path))


def gather(messages: Iterator[Message[HttpParams]]) -> Gathering[HttpParams]:
    return Gathering(messages, lambda found: found.params.batch_size, lambda found: found.params.path)


def keys(gathering: Gathering[HttpParams]) -> list[list[int]]:
    return [[found.key for found in batch] for batch in gathering]


def test_a_batch_has_as_many_as_may_go_together() -> None:
    assert keys(gather(message(n) for n in range(7))) == [[0, 1, 2], [3, 4, 5], [6]]


def test_what_has_another_key_or_size_goes_apart() -> None:
    messages = [message(0), message(1, path="x"), message(2), message(3, 1), message(4, 2), message(5, 2)]
    assert keys(gather(iter(messages))) == [[0, 2], [1], [3], [4, 5]]


def test_no_more_is_taken_than_goes_in_one_batch() -> None:
    taken = []

    def source() -> Iterator[Message[HttpParams]]:
        for key in range(100):
            taken.append(key)
            yield message(key)

    next(gather(source()))
    assert taken == [0, 1, 2]


def test_nothing_waits_for_a_batch_to_fill() -> None:
    left = 2

    def source() -> Iterator[Message[HttpParams]]:
        nonlocal left
        for key in range(4):
            left -= 1
            yield message(key)

    gathering = gather(Paced(source(), lambda: 0.0 if left > 0 else 0.5))
    assert [found.key for found in next(gathering)] == [0, 1]
    assert gathering.wait is not None
    assert gathering.wait() == 0.5


def test_batches_that_are_ready_wait_for_nothing() -> None:
    messages = iter([message(0), message(1, path="x"), message(2)])
    gathering = gather(Paced(messages, lambda: 0.0))
    next(gathering)
    assert gathering.wait is not None
    assert gathering.wait() == 0.0
    assert [found.key for found in next(gathering)] == [1]
