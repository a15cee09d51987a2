"""The exchanges of one connection: each message by itself, or several of one kind in a batch."""

from collections.abc import Iterable
from http import HTTPStatus

from connectors.net.exchange import Request, Response, Result
from connectors.outcomes import Outcome, Reason
from connectors.types.answers import clean, outcome
from connectors.types.base import Message
from connectors.types.conversations import BadMessage, Conversation
from connectors.types.gathering import Batch, Gathering
from connectors.types.http.batches import BLAMES_ONE, batch_key, check_json
from connectors.types.http.client import Client
from connectors.types.http.schemas import HttpParams
from connectors.types.oauth2 import NoToken


def gather(client: Client, messages: Iterable[Message[HttpParams]]) -> Gathering[HttpParams]:
    """Return the messages in batches that go in one request each."""
    return Gathering(
        messages, lambda message: 1 if client.sends_no_body(message.params) else message.params.batch_size, batch_key
    )


def send_batch(client: Client, messages: Batch[HttpParams]) -> Conversation:
    """Send messages that gather has put together, or a single one."""
    if len(messages) == 1 and (messages[0].params.batch_size == 1 or client.sends_no_body(messages[0].params)):
        return _send_one(client, messages[0])
    return _send_together(client, messages)


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


def _send_together(client: Client, messages: Batch[HttpParams]) -> Conversation:
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
            outcomes += yield from _send_together(client, [message])
        return outcomes
    return outcomes + [outcome(message.key, request, result, client.masker) for message in fit]


def _sort_out(client: Client, messages: Batch[HttpParams]) -> tuple[list[Outcome], list[Message[HttpParams]]]:
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
