"""Entries of streams, as commands."""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from connectors.net.redis import Argument, Reply
from connectors.types.base import Message
from connectors.types.conversations import BadMessage
from connectors.types.redis_stream.schemas import MAX_FIELDS, MAX_KEY, RedisStreamParams, is_entry_id

WEBHOOK_ID: Final = "webhook-id"


@dataclass(frozen=True, slots=True)
class Entry:
    """One message as XADD takes it."""

    message: Message[RedisStreamParams]
    command: tuple[Argument, ...]

    @property
    def stream(self) -> str:
        return self.message.params.stream

    @property
    def chosen_id(self) -> str | None:
        """The ID, where it is not the server's to make."""
        entry_id = self.message.params.entry_id
        return None if "*" in entry_id else entry_id

    @property
    def size(self) -> int:
        """How many bytes it has, lengths and the like left out."""
        return sum(len(part) for part in self.command if isinstance(part, bytes))

    def is_in(self, found: Reply) -> bool:
        """Whether what XRANGE found is this entry, by its webhook-id."""
        if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], list) or len(found[0]) != 2:
            return False
        pairs = found[0][1]
        if not isinstance(pairs, list):
            return False
        fields = dict(zip(pairs[::2], pairs[1::2], strict=False))
        return fields.get(WEBHOOK_ID.encode()) == self.message.webhook_id.encode()


def entry_of(message: Message[RedisStreamParams]) -> Entry:
    """Return the entry of a message; raise BadMessage that names the field which cannot be added."""
    params = message.params
    if not params.stream.strip() or len(params.stream) > MAX_KEY:
        raise BadMessage(f"stream is {params.stream[:80]!r}: a key has 1 to {MAX_KEY} characters.")
    if not is_entry_id(params.entry_id):
        raise BadMessage(f"entry_id is {params.entry_id[:80]!r}: write * or milliseconds-number.")
    fields = _fields(params.fields)
    command: list[Argument] = ["XADD", _text("stream", params.stream)]
    if params.max_length is not None:
        command += ["MAXLEN", "~", params.max_length]
    command.append(params.entry_id)
    for name, value in {WEBHOOK_ID: message.webhook_id, **fields}.items():
        where = f"fields/{name[:80]}"
        command += [_text(where, name), _text(where, value)]
    return Entry(message, tuple(command))


def _fields(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise BadMessage("fields is not JSON.") from None
    if not isinstance(value, dict) or not 1 <= len(value) <= MAX_FIELDS:
        raise BadMessage(f"fields is not an object of 1 to {MAX_FIELDS} fields.")
    return value


def _text(where: str, value: Any) -> bytes:
    try:
        return value.encode() if isinstance(value, str) else orjson.dumps(value)
    except (TypeError, UnicodeEncodeError):
        raise BadMessage(f"{where} cannot be written.") from None
