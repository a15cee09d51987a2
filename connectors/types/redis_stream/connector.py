"""The Redis Streams connector type: one entry a message, many of them in one go."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from connectors.net.redis import Failed, RedisSession, Reply
from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.base import Connection, Message, Paced, TemplateFormat
from connectors.types.conversations import BadMessage
from connectors.types.redis_stream.entries import Entry, entry_of
from connectors.types.redis_stream.probing import probe_redis
from connectors.types.redis_stream.refusals import reason_for
from connectors.types.redis_stream.schemas import RedisStreamConfig, RedisStreamParams, RedisStreamSecrets
from connectors.types.redis_stream.sessions import RedisRoute, add
from connectors.types.tcp import RESULTS, TcpType
from connectors.types.tcp_probe import CHECKS, told

MAX_BATCH: Final = 1000  # entries
_FULL: Final = 1 << 20  # bytes from which a batch goes out
_LONGEST_ID: Final = 200  # characters of it that are shown

RedisConnection = Connection[RedisStreamConfig, RedisStreamSecrets]


class RedisStreamConnectorType(TcpType[RedisStreamConfig, RedisStreamSecrets, RedisStreamParams, RedisSession]):
    """Adds entries to streams."""

    id = "redis_stream"
    name = "Redis Streams"
    description = "Adds an entry to a Redis stream."
    categories = ("streaming",)
    icon = "stacks"
    batch = 10
    checks = {
        **CHECKS,
        "authenticate": "Redis accepts the user, or asks for none.",
        "database": "The database is there. Where it is not 0.",
        "role": "The server is no replica, as far as it may be asked.",
    }
    results = {
        "the entry was added": Reason.OK,
        "a server that loads, is busy, out of memory or a replica": Reason.RETRY_HTTP_5XX,
        "a key that is no stream or may not be written, an ID that is not greater than the last": Reason.PERMANENT_4XX,
        "credentials that are refused, or that may not add entries": Reason.BAD_CONFIG,
        **RESULTS,
    }
    config_model = RedisStreamConfig
    secrets_model = RedisStreamSecrets
    params_model = RedisStreamParams

    def scheme(self, config: RedisStreamConfig) -> str:
        return "rediss" if config.tls else "redis"

    def missing_secrets(self, config: RedisStreamConfig, secrets: RedisStreamSecrets) -> list[str]:
        return ["password"] if config.username and not secrets.password else []

    def template_format(self, config: RedisStreamConfig, params: dict[str, Any], field: str) -> TemplateFormat:
        return "json" if field == "fields" else "text"

    def deliver(self, connection: RedisConnection, messages: Iterable[Message[RedisStreamParams]]) -> Iterator[Outcome]:
        route: RedisRoute = self.route(connection)
        for batch in _batches(route, messages, min(connection.concurrency, MAX_BATCH)):
            yield from (prepared for prepared in batch if isinstance(prepared, Outcome))
            if entries := [prepared for prepared in batch if isinstance(prepared, Entry)]:
                yield from _add(route, entries)

    def probe(self, connection: RedisConnection, *, timeout: float) -> Iterator[Step]:
        route: RedisRoute = self.route(connection)
        return told(probe_redis(route, time.monotonic() + timeout), route.masker)


def _batches(
    route: RedisRoute, messages: Iterable[Message[RedisStreamParams]], most: int
) -> Iterator[list[Entry | Outcome]]:
    """Yield what is to be had at once, up to ``most`` messages: nothing waits for a batch to fill."""
    waiting = iter(messages)
    while (message := next(waiting, None)) is not None:
        batch: list[Entry | Outcome] = []
        size = 0
        while message is not None:
            prepared = _prepare(route, message)
            batch.append(prepared)
            size += prepared.size if isinstance(prepared, Entry) else 0
            if len(batch) == most or size >= _FULL or (isinstance(messages, Paced) and messages.wait() > 0):
                break
            message = next(waiting, None)
        yield batch


def _prepare(route: RedisRoute, message: Message[RedisStreamParams]) -> Entry | Outcome:
    try:
        return entry_of(message)
    except BadMessage as error:
        return Outcome(message.key, Reason.TEMPLATE_ERROR, route.mask(str(error)))


def _add(route: RedisRoute, entries: Sequence[Entry]) -> Iterator[Outcome]:
    began = time.monotonic()
    replies, ended = add(route, entries, min(route.until(entry.message) for entry in entries))
    took = time.monotonic() - began
    for entry, reply in zip(entries, replies, strict=False):
        yield _outcome(route, entry, reply, took)
    for entry in entries[len(replies) :]:
        assert ended is not None
        yield Outcome(entry.message.key, ended.reason, ended.detail, duration=took, request=_summary(entry))


def _outcome(route: RedisRoute, entry: Entry, reply: Reply, took: float) -> Outcome:
    reason, detail = Reason.OK, ""
    if isinstance(reply, Failed):
        reason, detail = reason_for(reply), f"Redis refuses the entry: {reply}."
        response = {"body": str(reply)}
    elif isinstance(reply, bytes):
        entry_id = reply.decode("utf-8", "replace")[:_LONGEST_ID]
        detail = f"Added to {entry.stream[:_LONGEST_ID]} as {entry_id}."
        response = {"body": entry_id}
    else:
        reason, detail, response = Reason.RETRY_CONNECT, "The system does not answer as Redis does.", {}
    return Outcome(entry.message.key, reason, route.mask(detail), None, took, _summary(entry), response)


def _summary(entry: Entry) -> dict[str, Any]:
    return {"command": "XADD", "stream": entry.stream, "bytes": entry.size}
