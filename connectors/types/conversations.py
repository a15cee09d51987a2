"""Conversations with a system over HTTP: one request and its answer, or several in turn, many at the same time."""

import time
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from typing import Final

from connectors.net.exchange import Failure, Request, Result
from connectors.net.http import send_many
from connectors.outcomes import Outcome, Reason

# It yields requests, is sent what became of each, and returns the outcome of every message that it is about.
Conversation = Generator[Request, Result, Iterable[Outcome]]

_LEAST_TIME: Final = 0.05  # seconds below which no request is begun


class BadMessage(ValueError):
    """These params make no request."""


def hold(
    conversations: Iterable[Conversation],
    *,
    key: Hashable,
    concurrency: int,
    wait: Callable[[], float] | None = None,
) -> Iterator[Outcome]:
    """Hold each conversation; yield the outcomes of each as it ends, in any order.

    ``conversations`` is pulled lazily: one each time there is room. All the requests of one end within the timeout of
    its first. ``key`` and ``wait`` are as for ``connectors.net.http.send_many``.
    """
    talks = _Talks(iter(conversations), wait)
    for request, result in send_many(talks, key=key, concurrency=concurrency, wait=talks.wait if wait else None):
        talks.answer(request, result)
        yield from talks.ended()
    yield from talks.ended()


class _Talk:
    """A conversation under way, and the monotonic time at which it has to end."""

    __slots__ = ("conversation", "until")

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.until = 0.0


class _Talks(Iterator[Request]):
    """The requests of all conversations: those that go on come first."""

    def __init__(self, conversations: Iterator[Conversation], wait: Callable[[], float] | None) -> None:
        self._conversations: Iterator[Conversation] | None = conversations
        self._next_to_come = wait or (lambda: 0.0)
        self._going_on: deque[Request] = deque()
        self._outcomes: deque[Outcome] = deque()

    def __next__(self) -> Request:
        if self._going_on:
            return self._going_on.popleft()
        while self._conversations is not None:
            conversation = next(self._conversations, None)
            if conversation is None:
                self._conversations = None
            elif request := self._begin(_Talk(conversation)):
                return request
        raise StopIteration

    def wait(self) -> float:
        """Return the seconds until the next request is to be had."""
        return 0.0 if self._going_on or self._conversations is None else self._next_to_come()

    def answer(self, request: Request, result: Result) -> None:
        """Tell the conversation behind ``request`` what became of it."""
        talk: _Talk = request.tag
        following = self._say(talk, result)
        while following is not None:
            left = talk.until - time.monotonic()
            if left >= _LEAST_TIME:
                following.timeout = min(following.timeout, left)
                self._going_on.append(following)
                return
            following = self._say(talk, Failure(Reason.RETRY_TIMEOUT, "The time ended before the last request."))

    def ended(self) -> Iterator[Outcome]:
        """Yield the outcomes of the conversations that have ended since."""
        while self._outcomes:
            yield self._outcomes.popleft()

    def _begin(self, talk: _Talk) -> Request | None:
        request = self._resume(talk, lambda: next(talk.conversation))
        if request is not None:
            talk.until = time.monotonic() + request.timeout
        return request

    def _say(self, talk: _Talk, result: Result) -> Request | None:
        return self._resume(talk, lambda: talk.conversation.send(result))

    def _resume(self, talk: _Talk, go_on: Callable[[], Request]) -> Request | None:
        try:
            request = go_on()
        except StopIteration as end:
            self._outcomes.extend(end.value)
            return None
        request.tag = talk
        return request
