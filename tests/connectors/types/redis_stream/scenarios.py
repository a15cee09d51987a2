"""Redis Streams in the contract tests: servers whose every reply is scripted, as RESP2 has them."""

from collections.abc import Callable

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.redis_stream.schemas import RedisStreamConfig, RedisStreamParams, RedisStreamSecrets
from tests.contract.harness import CANARY, TIMEOUT
from tests.contract.scripted import Peer
from tests.contract.tcp_systems import Place, tcp_scenarios

Answer = Callable[[list[bytes]], bytes]


def read_command(peer: Peer) -> list[bytes]:
    """Return the next command and its arguments; none when the client has gone."""
    head = peer.read_line()
    if not head:
        return []
    assert head.startswith(b"*"), head
    found = []
    for _ in range(int(head[1:])):
        length = int(peer.read_line()[1:])
        found.append(peer.read(length + 2)[:-2])
    return found


def redis(peer: Peer, answer: Answer) -> None:
    """Be a server that answers each command like this."""
    while command := read_command(peer):
        peer.send(answer(command))


def usual_answer(command: list[bytes]) -> bytes:
    match command[0]:
        case b"AUTH" | b"SELECT":
            return b"+OK\r\n"
        case b"ROLE":
            return b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
        case b"XADD":
            return b"$15\r\n1767225600000-0\r\n"
        case _:
            return b"-ERR unknown command\r\n"


def _echo(peer: Peer) -> None:
    secret = CANARY.encode()
    redis(peer, lambda command: b"-WRONGPASS %b %b\r\n" % (b" ".join(command), b"x" * 450 + secret))


def message(key: int) -> Message[RedisStreamParams]:
    return Message(key, f"msg-{key}", RedisStreamParams(stream="tests", fields={"event": {"n": key}}))


def connect(place: Place) -> Connection[RedisStreamConfig, RedisStreamSecrets]:
    config = RedisStreamConfig(
        host=place.host, port=place.port, tls=place.is_tls, ca=place.ca, timeout=TIMEOUT, username="robot", database=3
    )
    return Connection(1, 1, config, RedisStreamSecrets.model_validate({"password": CANARY}))


SCENARIOS = tcp_scenarios(
    connect,
    lambda peer: redis(peer, usual_answer),
    drip=b"+",
    flood=b"*10000\r\n",
    echo=_echo,
    echoed=Reason.BAD_CONFIG,
)
