"""Sends the messages of one connection, and those again whose access token had lost its worth."""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from http import HTTPStatus

from connectors.net.exchange import Request, Response, Result
from connectors.net.http import send_many
from connectors.outcomes import Outcome, Reason
from connectors.types.base import Message, Paced
from connectors.types.http.client import BadMessage, Client
from connectors.types.http.oauth2 import NoToken
from connectors.types.http.outcomes import clean, outcome
from connectors.types.http.schemas import HttpParams


class Sending:
    """One run through a connection. ``messages`` is pulled lazily, one each time there is room."""

    def __init__(self, client: Client, messages: Iterable[Message[HttpParams]]) -> None:
        self._client = client
        self._wait = messages.wait if isinstance(messages, Paced) else None
        self._messages = iter(messages)
        self._refused: deque[Outcome] = deque()
        self._again: deque[Message[HttpParams]] = deque()
        self._sent_twice: set[int] = set()

    def outcomes(self, key: Hashable, concurrency: int) -> Iterator[Outcome]:
        """Yield one outcome for each message, in any order."""
        while True:
            for request, result in send_many(self._requests(), key=key, concurrency=concurrency, wait=self._wait):
                if not self._is_sent_again(request, result):
                    yield outcome(request, result, self._client.masker)
                while self._refused:
                    yield self._refused.popleft()
            yield from self._refused
            self._refused.clear()
            if not self._again:
                return

    def _requests(self) -> Iterator[Request]:
        while (message := self._next()) is not None:
            try:
                request = self._client.request(message)
            except BadMessage as error:
                self._refused.append(Outcome(message.key, Reason.TEMPLATE_ERROR, str(error)))
            except NoToken as error:
                detail = clean(error.failure.detail, self._client.masker)
                self._refused.append(
                    Outcome(message.key, error.failure.reason, detail, duration=error.failure.duration)
                )
            else:
                yield request

    def _next(self) -> Message[HttpParams] | None:
        return self._again.popleft() if self._again else next(self._messages, None)

    def _is_sent_again(self, request: Request, result: Result) -> bool:
        """Whether the message goes back to the queue: its access token was refused, and another can be had."""
        tokens = self._client.tokens
        if tokens is None or not isinstance(result, Response) or result.status != HTTPStatus.UNAUTHORIZED:
            return False
        message: Message[HttpParams] = request.tag
        if message.key in self._sent_twice or not tokens.replaces(request.headers["authorization"]):
            return False
        self._sent_twice.add(message.key)
        self._again.append(message)
        return True
