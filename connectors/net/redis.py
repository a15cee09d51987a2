"""Redis's protocol, RESP2, over a stream: commands go out together and the replies come back in their order.

Source: redis.io, "Redis serialization protocol specification". Not redis-py, whose connections look names up and open
sockets themselves, and wait anew for every piece of a reply.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from connectors.net.dialling import CannotConnect
from connectors.net.streams import Stream
from connectors.outcomes import Reason

_LONGEST_LINE: Final = 16_384  # bytes
_LONGEST_TEXT: Final = 1 << 20
_MOST_ITEMS: Final = 10_000
_DEEPEST: Final = 8
_MOST_SAID: Final = 500  # characters
_NOT_PRINTED: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_NO_REDIS: Final = "The system does not answer as Redis does."

Argument = bytes | str | int
Command = Sequence[Argument]


@dataclass(frozen=True, slots=True)
class Failed:
    """Redis refuses a command: ``code`` is the first word, such as WRONGTYPE, ``detail`` the rest."""

    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.code} {self.detail}".rstrip()


# A text, a number, a list of replies, nothing, or a refusal.
Reply = bytes | int | list["Reply"] | None | Failed


class RedisSession:
    """One connection. Once CannotConnect was raised or returned it is of no more use.

    ``mask`` takes secrets out of refusals, before any of them is cut.
    """

    def __init__(self, stream: Stream, mask: Callable[[str], str]) -> None:
        self.stream = stream
        self._mask = mask
        self._is_over = False

    @property
    def is_usable(self) -> bool:
        """Whether more commands may be sent over it, as far as is known."""
        return not self._is_over and self.stream.is_idle

    def ask(self, *command: Argument) -> Reply:
        """Send one command and return the reply; raise CannotConnect."""
        replies, ended = self.ask_all([command])
        if ended is not None:
            raise ended
        return replies[0]

    def ask_all(self, commands: Sequence[Command]) -> tuple[list[Reply], CannotConnect | None]:
        """Send all commands at once; return the replies in the same order, and why there are not as many, if so."""
        self._is_over = True  # until the last reply is there, nothing else can be asked
        replies: list[Reply] = []
        try:
            self.stream.write(b"".join(map(_write, commands)))
            for _ in commands:
                replies.append(self._read(_DEEPEST))
        except CannotConnect as error:
            return replies, error
        self._is_over = False
        return replies, None

    def close(self) -> None:
        """Close the connection."""
        self.stream.close()

    def _read(self, depth: int) -> Reply:
        line = self.stream.read_line(_LONGEST_LINE)
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            said = _NOT_PRINTED.sub(" ", self._mask(rest.decode("utf-8", "replace")))
            code, _, detail = said[:_MOST_SAID].partition(" ")
            return Failed(code, detail)
        if kind == b":":
            return _number(rest)
        if kind == b"$":
            length = _number(rest)
            if length == -1:
                return None
            if 0 <= length <= _LONGEST_TEXT:
                return self.stream.read(length + 2)[:-2]
        if kind == b"*" and depth:
            count = _number(rest)
            if count == -1:
                return None
            if 0 <= count <= _MOST_ITEMS:
                return [self._read(depth - 1) for _ in range(count)]
        raise CannotConnect(Reason.RETRY_CONNECT, _NO_REDIS)


def _write(command: Command) -> bytes:
    parts = [b"*%d\r\n" % len(command)]
    for argument in command:
        text = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(text), text))
    return b"".join(parts)


def _number(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        raise CannotConnect(Reason.RETRY_CONNECT, _NO_REDIS) from None
