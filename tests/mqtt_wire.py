"""A broker that speaks MQTT 5 byte by byte and answers as a test says (OASIS, MQTT Version 5.0, sections 2 and 3)."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from tests.contract.scripted import Peer, Script

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, PINGREQ, DISCONNECT = 1, 2, 3, 4, 5, 6, 7, 12, 14
PINGRESP = b"\xd0\0"
REASON_STRING, RECEIVE_MAXIMUM, MAXIMUM_QOS, RETAIN_AVAILABLE, MAXIMUM_PACKET_SIZE = 0x1F, 0x21, 0x24, 0x25, 0x27


@dataclass(frozen=True)
class Packet:
    """One control packet; ``id`` is its packet id, 0 for none."""

    kind: int
    flags: int
    body: bytes

    @property
    def id(self) -> int:
        if self.kind == PUBLISH:
            if not self.flags & 0x06:
                return 0
            after = 2 + int.from_bytes(self.body[:2])
            return int.from_bytes(self.body[after : after + 2])
        return int.from_bytes(self.body[:2])


# Returns what the broker says to a packet; nothing is fine too.
Answering = Callable[[Packet], bytes]


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    """Return a control packet."""
    size, length = len(body), b""
    while True:
        size, digit = size >> 7, size & 0x7F
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return bytes([kind << 4 | flags]) + length + body


def text(identifier: int, value: str) -> bytes:
    """Return a property that is a string."""
    raw = value.encode()
    return bytes([identifier]) + struct.pack("!H", len(raw)) + raw


def connack(code: int = 0, properties: bytes = b"") -> bytes:
    """Return the answer to a connection."""
    assert len(properties) < 128
    return packet(CONNACK, bytes([0, code, len(properties)]) + properties)


def answer(kind: int, packet_id: int, code: int = 0, properties: bytes = b"") -> bytes:
    """Return a PUBACK, PUBREC or PUBCOMP."""
    assert len(properties) < 128
    flags = 2 if kind == PUBREL else 0
    return packet(kind, struct.pack("!HBB", packet_id, code, len(properties)) + properties, flags)


def take(given: Packet) -> bytes:
    """Take every message."""
    match given.kind:
        case 3 if given.flags & 0x06:
            return answer(PUBACK if given.flags & 0x02 else PUBREC, given.id)
        case 6:
            return answer(PUBCOMP, given.id)
        case 12:
            return PINGRESP
        case _:
            return b""


def broker(say: Answering = take, greeting: bytes | None = None, seen: list[Packet] | None = None) -> Script:
    """Return a script: ``greeting`` answers the connection, ``say`` all that follows; ``seen`` gets each packet."""

    def script(peer: Peer) -> None:
        buffer = bytearray()
        while True:
            while (found := _next(buffer)) is not None:
                if seen is not None:
                    seen.append(found)
                peer.send((greeting or connack()) if found.kind == CONNECT else say(found))
            if not (chunk := peer.receive()):
                return
            buffer += chunk

    return script


def _next(buffer: bytearray) -> Packet | None:
    """Take the next packet out of the buffer; None until all of it is there."""
    size, place = 0, 1
    while True:
        if len(buffer) <= place:
            return None
        size |= (buffer[place] & 0x7F) << 7 * (place - 1)
        place += 1
        if not buffer[place - 1] & 0x80:
            break
    if len(buffer) < place + size:
        return None
    found = Packet(buffer[0] >> 4, buffer[0] & 0x0F, bytes(buffer[place : place + size]))
    del buffer[: place + size]
    return found
