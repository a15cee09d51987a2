"""Scripts for tests.contract.scripted that speak enough of Kafka's protocol to lead a client astray.

Requests and answers are as the protocol guide has them (https://kafka.apache.org/protocol), in old versions.
"""

import struct
from collections.abc import Callable

from tests.contract.scripted import Peer, Script

METADATA, SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 3, 17, 18, 36
_UNSUPPORTED_VERSION, _AUTHENTICATION_FAILED = 35, 58
# Each request that is answered, with the newest version that is.
_VERSIONS = {0: 7, METADATA: 2, SASL_HANDSHAKE: 1, API_VERSIONS: 0, SASL_AUTHENTICATE: 0}

Answer = Callable[[bytes], bytes]


def speaking(answers: dict[int, Answer]) -> Script:
    """Return a script that answers each request by its API key with what is computed from its body."""
    known = {API_VERSIONS: _api_versions, **answers}

    def script(peer: Peer) -> None:
        data = b""
        while chunk := peer.receive():
            data += chunk
            while len(data) >= 4 and len(data) >= 4 + (size := int.from_bytes(data[:4])):
                request, data = data[4 : 4 + size], data[4 + size :]
                key, version, correlation = struct.unpack_from("!hhi", request)
                client = max(int.from_bytes(request[8:10], signed=True), 0)
                body = struct.pack("!h", version) + request[10 + client :]
                answer = struct.pack("!i", correlation) + known[key](body)
                peer.send(struct.pack("!i", len(answer)) + answer)

    return script


def advertise(host: str, port: int, topic: str) -> Answer:
    """Return an answer that names one broker, the leader of all of a topic."""

    def metadata(_: bytes) -> bytes:
        brokers = struct.pack("!ii", 1, 1) + _string(host) + struct.pack("!ih", port, -1)
        partition = struct.pack("!hiiiiii", 0, 0, 1, 1, 1, 1, 1)
        topics = struct.pack("!ih", 1, 0) + _string(topic) + struct.pack("!?i", False, 1) + partition
        return brokers + _string("cluster") + struct.pack("!i", 1) + topics

    return metadata


def take_any_mechanism(_: bytes) -> bytes:
    """Answer that SASL PLAIN may begin."""
    return struct.pack("!hi", 0, 1) + _string("PLAIN")


def refuse_and_echo(body: bytes) -> bytes:
    """Answer that the credentials are wrong, and say them."""
    said = body[6:].replace(b"\0", b" ").decode("utf-8", "replace")
    return struct.pack("!h", _AUTHENTICATION_FAILED) + _string(f"no such user: {said}") + struct.pack("!i", 0)


def _api_versions(body: bytes) -> bytes:
    (version,) = struct.unpack_from("!h", body)
    error = _UNSUPPORTED_VERSION if version else 0
    listed = b"".join(struct.pack("!hhh", key, 0, newest) for key, newest in _VERSIONS.items())
    return struct.pack("!hi", error, len(_VERSIONS)) + listed


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!h", len(data)) + data
