"""The exchanges of one connection: each message by itself, or several of one kind in a batch."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus

from connectors.net.exchange import Request, Response, Result
from connectors.outcomes import Outcome, Reason
from connectors.types.answers import clean, outcome
from connectors.types.base import Message, Paced
from connectors.types.conversations import BadMessage, Conversation
from connectors.types.http.batches import BLAMES_ONE, batch_key, check_json
from connectors.types.http.client import Client
from connectors.types.http.schemas import HttpParams
from connectors.types.oauth2 import NoToken

_Batch = Sequence[Message[HttpParams]]


class Sending(Iterator[Conversation]):
    """One run through a connection. ``messages`` is pulled lazily, as many as go in one request at a time."""

    def __init__(self, client: Client, messages: Iterable[Message[HttpParams]]) -> None:
        self._client = client
        self._messages = iter(messages)
        self._wait = messages.wait if isinstance(messages, Paced) else None
        self._batches: deque[_Batch] = deque()

    def __next__(self) -> Conversation:
        if self._batches:
            return _send_batch(self._client, self._batches.popleft())
        message = next(self._messages)
        if message.params.batch_size == 1 or self._client.sends_no_body(message.params):
            return _send_one(self._client, message)
        self._gather(message)
        return _send_batch(self._client, self._batches.popleft())

    def wait(self) -> float:
        """Return the seconds until the next conversation is to be had."""
        return self._wait() if self._wait and not self._batches else 0.0

    def _gather(self, first: Message[HttpParams]) -> None:
        """Take what is to be had at once, up to a full batch, and put together what may go together."""
        taken = {batch_key(first): [first]}
        for _ in range(first.params.batch_size - 1):
            if self._wait and self._wait() > 0:
                break
            message = next(self._messages, None)
            if message is None:
                break
            taken.setdefault(batch_key(message), []).append(message)
        for batch in taken.values():
            size = batch[0].params.batch_size
            self._batches.extend(batch[start : start + size] for start in range(0, len(batch), size))


def _send_one(client: Client, message: Message[HttpParams]) -> Conversation:
    try:
        request = client.request(message)
        result = yield request
        if _is_token_refused(client, request, result):
            request = client.request(message)
            result = yield request
    except (BadMessage, NoToken) as error:
        return (_not_sent(client, message, error),)
    return (outcome(message.key, request, result, client.masker),)


def _send_batch(client: Client, messages: _Batch) -> Conversation:
    if client.sends_no_body(messages[0].params) or messages[0].params.batch_size == 1:
        return (yield from _each(client, messages))
    outcomes, fit = _sort_out(client, messages)
    if not fit:
        return outcomes
    try:
        request = client.batch_request(fit)
        result = yield request
        if _is_token_refused(client, request, result):
            request = client.batch_request(fit)
            result = yield request
    except (BadMessage, NoToken) as error:
        return outcomes + [_not_sent(client, message, error) for message in fit]
    if len(fit) > 1 and isinstance(result, Response) and result.status in BLAMES_ONE:
        for message in fit:
            outcomes += yield from _send_batch(client, [message])
        return outcomes
    return outcomes + [outcome(message.key, request, result, client.masker) for message in fit]


def _each(client: Client, messages: _Batch) -> Conversation:
    outcomes: list[Outcome] = []
    for message in messages:
        outcomes += yield from _send_one(client, message)
    return outcomes


def _sort_out(client: Client, messages: _Batch) -> tuple[list[Outcome], list[Message[HttpParams]]]:
    """Return the outcomes of those that would spoil a batch, and the others."""
    outcomes, fit = [], []
    for message in messages:
        try:
            if isinstance(message.params.body, str):
                check_json(message.params.body.encode())
        except (BadMessage, UnicodeEncodeError) as error:
            outcomes.append(Outcome(message.key, Reason.TEMPLATE_ERROR, str(error)))
        else:
            fit.append(message)
    return outcomes, fit


def _is_token_refused(client: Client, request: Request, result: Result) -> bool:
    """Whether the access token was refused, and another can be had."""
    return (
        client.tokens is not None
        and isinstance(result, Response)
        and result.status == HTTPStatus.UNAUTHORIZED
        and client.tokens.replaces(request.headers["authorization"])
    )


def _not_sent(client: Client, message: Message[HttpParams], error: BadMessage | NoToken) -> Outcome:
    if isinstance(error, BadMessage):
        return Outcome(message.key, Reason.TEMPLATE_ERROR, str(error))
    detail = clean(error.failure.detail, client.masker)
    return Outcome(message.key, error.failure.reason, detail, duration=error.failure.duration)
