"""Email in the contract tests: SMTP servers whose every reply is scripted."""

from base64 import b64encode

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.email.schemas import EmailConfig, EmailParams, EmailSecrets
from tests.contract.harness import CANARY, TIMEOUT
from tests.contract.scripted import Peer
from tests.contract.tcp_systems import Place, tcp_scenarios

EHLO = b"250-mail.test\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN\r\n"
REPLIES = {
    b"EHLO": EHLO,
    b"AUTH": b"235 2.7.0 Accepted\r\n",
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"RCPT": b"250 2.1.5 Ok\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"DATA": b"354 Go on\r\n",
    b".": b"250 2.0.0 Queued as 7\r\n",
}


def smtp(peer: Peer, replies: dict[bytes, bytes] = REPLIES, greeting: bytes = b"220 mail.test ESMTP\r\n") -> None:
    """Be a server that says this to each command; ``.`` stands for the end of a message."""
    peer.send(greeting)
    while line := peer.read_line():
        verb = line.strip().upper().split(b" ")[0]
        peer.send(replies.get(verb, b"500 5.5.2 What?\r\n"))
        if verb == b"QUIT":
            return
        if verb == b"DATA" and replies[verb].startswith(b"354"):
            while (text := peer.read_line()) not in (b".\r\n", b""):
                peer.data += text
            peer.send(replies[b"."])


def _echo(peer: Peer) -> None:
    secret = CANARY.encode()
    said = b"%b %b %b" % (secret, b64encode(b"\0robot\0" + secret), b64encode(secret))
    smtp(peer, REPLIES | {b"AUTH": b"535-5.7.8 no: %b\r\n535 5.7.8 %b\r\n" % (said, b"x" * 300 + secret)})


def message(key: int) -> Message[EmailParams]:
    params = EmailParams(to=["a@example.com", "b@example.com"], subject=f"event {key}", message="**Hello**")
    return Message(key, f"msg-{key}", params)


def connect(place: Place) -> Connection[EmailConfig, EmailSecrets]:
    config = EmailConfig.model_validate(
        {
            "host": place.host,
            "port": place.port,
            "security": "tls" if place.is_tls else "none",
            "ca": place.ca,
            "timeout": TIMEOUT,
            "username": "robot",
            "from": "Switchyard <robot@example.com>",
        }
    )
    return Connection(1, 1, config, EmailSecrets.model_validate({"password": CANARY}))


SCENARIOS = tcp_scenarios(connect, smtp, drip=b"220 ", flood=b"220-x\r\n" * 100, echo=_echo, echoed=Reason.BAD_CONFIG)
