"""How the server is spoken to: encrypted as chosen, signed in, over few sessions, and its replies taken as they are.

Sources: RFC 5321 for replies, RFC 3207 for STARTTLS, RFC 4954 for signing in, RFC 3463 for enhanced codes.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from connectors.outcomes import Outcome, Reason
from connectors.types.email import connector_type
from connectors.types.email.connector import MAX_CONNECTIONS
from tests.connectors.types.email.mailing import AUTHORITY, CA, connect, deliver, message
from tests.connectors.types.email.scenarios import EHLO, REPLIES, smtp
from tests.contract.scripted import Peer, ScriptedServer, scripted
from tests.mail_server import PASSWORD, USER, mail_server


def server_context(host: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(host).configure_cert(context)
    return context


def test_starttls_encrypts_the_sign_in_and_the_message() -> None:
    with mail_server(starttls=server_context(), asks_for_sign_in=True) as server:
        outcome = deliver(connect(server.port, PASSWORD, security="starttls", ca=CA, username=USER))
    assert outcome.reason is Reason.OK
    (received,) = server.received
    assert received.is_encrypted
    assert received.is_signed_in


def test_tls_encrypts_from_the_beginning() -> None:
    with mail_server(tls=server_context()) as server:
        assert deliver(connect(server.port, security="tls", ca=CA)).reason is Reason.OK
    assert len(server.received) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(("host", "ca"), [("127.0.0.1", ""), ("other.test", CA)])
def test_a_server_that_is_not_the_one_meant_gets_no_password_and_no_message(security: str, host: str, ca: str) -> None:
    context = server_context(host)
    kind = {"starttls": context} if security == "starttls" else {"tls": context}
    with mail_server(**kind) as server:  # type: ignore[arg-type]
        outcome = deliver(connect(server.port, PASSWORD, security=security, ca=ca, username=USER))
        (*_, last) = connector_type.probe(connect(server.port, security=security, ca=ca), timeout=5)
    assert outcome.reason is Reason.RETRY_TLS
    assert (last.name, last.reason) == ("tls", Reason.RETRY_TLS)
    assert "certificate" in last.advice
    assert not server.received


@pytest.mark.parametrize(
    "offer", [b"250 mail.test\r\n", b"250-mail.test\r\n250 XSTARTTLS\r\n", b"250-mail.test\r\n250 STARTTLS\r\n"]
)
def test_without_starttls_nothing_is_said_in_the_clear(offer: bytes) -> None:
    said: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.send(b"220 mail.test\r\n")
        while line := peer.read_line():
            said.append(line)
            peer.send(offer if line.startswith(b"EHLO") else b"454 4.7.0 TLS not available\r\n")

    with scripted(script) as server:
        outcome = deliver(connect(server.port, PASSWORD, security="starttls", username=USER))
    assert outcome.reason is Reason.RETRY_TLS
    assert "STARTTLS" in outcome.detail
    assert {line.split()[0] for line in said} <= {b"EHLO", b"STARTTLS", b"QUIT"}


@pytest.mark.parametrize("only", ["PLAIN", "LOGIN"])
def test_the_server_is_signed_in_to_as_it_offers(only: str) -> None:
    with mail_server(asks_for_sign_in=True, only=only) as server:
        assert deliver(connect(server.port, PASSWORD, username=USER)).reason is Reason.OK
        wrong = deliver(connect(server.port, "wrong-password", username=USER))
    assert wrong.reason is Reason.BAD_CONFIG
    assert "refuses the sign-in: 535" in wrong.detail
    assert len(server.received) == 1


def test_a_server_that_wants_a_sign_in_says_so_through_the_outcome() -> None:
    with mail_server(asks_for_sign_in=True) as server:
        outcome = deliver(connect(server.port))
    assert outcome.reason is Reason.BAD_CONFIG
    assert "530" in outcome.detail


def test_many_messages_go_over_few_sessions() -> None:
    with mail_server() as server:
        outcomes = list(connector_type.deliver(connect(server.port), [message(key) for key in range(40)]))
        list(connector_type.deliver(connect(server.port), [message(40)]))
    assert {outcome.reason for outcome in outcomes} == {Reason.OK}
    assert sorted(outcome.key for outcome in outcomes) == list(range(40))
    assert len(server.received) == 41
    assert len({received.session for received in server.received}) <= MAX_CONNECTIONS


def test_another_version_of_the_connector_opens_sessions_of_its_own() -> None:
    with mail_server() as server:
        deliver(connect(server.port))
        deliver(connect(server.port, **{"from": "other@example.com"}))
    first, second = server.received
    assert first.sender != second.sender


REFUSED = "550 5.1.1 No such user"


def test_whoever_can_be_reached_is_and_the_others_are_named() -> None:
    with mail_server() as server:
        server.replies["gone@example.com"] = REFUSED
        server.replies["later@example.com"] = "450 4.2.1 Greylisted"
        outcome = deliver(connect(server.port), to=["ops@example.com", "gone@example.com"], bcc=["later@example.com"])
    assert outcome.reason is Reason.OK
    assert outcome.detail == (
        "The server took the message for 1 of 3 recipients. It refused gone@example.com (550 5.1.1 No such user), "
        "later@example.com (450 4.2.1 Greylisted)."
    )
    assert outcome.response["refused"] == {
        "gone@example.com": REFUSED,
        "later@example.com": "450 4.2.1 Greylisted",
    }
    assert server.received[0].recipients == ["ops@example.com"]


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ({"ops@example.com": REFUSED}, Reason.PERMANENT_4XX),
        ({"ops@example.com": "450 4.2.1 Greylisted"}, Reason.RETRY_HTTP_5XX),
        ({"ops@example.com": "552 5.2.2 Mailbox full"}, Reason.PERMANENT_4XX),
        ({"MAIL": "550 5.7.1 Sender not allowed"}, Reason.PERMANENT_4XX),
        ({"MAIL": "451 4.3.0 Try later"}, Reason.RETRY_HTTP_5XX),
        ({"MAIL": "552 Too big"}, Reason.TOO_LARGE),
        ({"MAIL": "530 5.7.0 Sign in first"}, Reason.BAD_CONFIG),
        ({"DATA": "552 5.3.4 Message too big"}, Reason.TOO_LARGE),
        ({"DATA": "554 5.6.0 Content refused"}, Reason.PERMANENT_4XX),
        ({"DATA": "451 4.7.1 Try later"}, Reason.RETRY_HTTP_5XX),
    ],
)
def test_a_refusal_has_its_reason_and_spoils_nothing_for_the_next_message(
    replies: dict[str, str], expected: Reason
) -> None:
    with mail_server() as server:
        server.replies.update(replies)
        outcome = deliver(connect(server.port))
        assert (outcome.reason, server.received) == (expected, [])
        assert next(iter(replies.values())) in outcome.detail
        server.replies.clear()
        assert deliver(connect(server.port)).reason is Reason.OK
    assert "RSET" in server.commands
    assert len(server.sessions) == 1


def test_if_all_recipients_are_refused_the_ones_that_may_be_taken_later_decide() -> None:
    with mail_server() as server:
        server.replies.update({"a@example.com": REFUSED, "b@example.com": "451 4.3.0 Later"})
        outcome = deliver(connect(server.port), to=["a@example.com", "b@example.com"])
    assert outcome.reason is Reason.RETRY_HTTP_5XX


def test_a_server_that_takes_few_recipients_in_one_go_gets_the_message_again_for_the_others() -> None:
    to = [f"ops{number}@example.com" for number in range(7)]
    with mail_server() as server:
        server.replies["most recipients"] = "3"
        outcome = deliver(connect(server.port), to=to)
    assert outcome.reason is Reason.OK
    assert [len(received.recipients) for received in server.received] == [3, 3, 1]
    assert [each for received in server.received for each in received.recipients] == to
    assert "refused" not in outcome.response


def test_a_message_that_the_server_has_no_room_for_is_not_even_begun() -> None:
    with mail_server(largest=2000) as server:
        outcome = deliver(connect(server.port), message="x" * 3000)
        assert deliver(connect(server.port)).reason is Reason.OK
    assert outcome.reason is Reason.TOO_LARGE
    assert "the server takes 2000" in outcome.detail
    assert len(server.received) == 1
    assert len([command for command in server.commands if command.startswith("MAIL")]) == 1


@contextmanager
def sessions_that(*scripts: Any) -> Iterator[ScriptedServer]:
    """Run one script for each session, in this order."""
    coming = iter(scripts)
    with scripted(lambda peer: next(coming)(peer)) as server:
        yield server


def closes_after_one(peer: Peer) -> None:
    """Take one message, and say nothing more."""
    smtp_once(peer)


def says_421(peer: Peer) -> None:
    smtp_once(peer)
    peer.read_line()
    peer.send(b"421 4.4.2 Idle for too long\r\n")


def ends_within_the_text(peer: Peer) -> None:
    smtp_once(peer)
    for reply in (b"250 Ok\r\n", b"250 Ok\r\n", b"354 Go on\r\n"):
        peer.read_line()
        peer.send(reply)
    peer.read_line()


def smtp_once(peer: Peer) -> None:
    peer.send(b"220 mail.test\r\n")
    for reply in (EHLO, REPLIES[b"MAIL"], REPLIES[b"RCPT"], REPLIES[b"DATA"]):
        peer.read_line()
        peer.send(reply)
    while peer.read_line() not in (b".\r\n", b""):
        pass
    peer.send(REPLIES[b"."])


@pytest.mark.parametrize("former", [closes_after_one, says_421])
def test_a_session_that_ended_while_it_was_idle_is_replaced_without_a_word(former: Any) -> None:
    with sessions_that(former, smtp) as server:
        connection = connect(server.port)
        assert deliver(connection).reason is Reason.OK
        assert deliver(connection).reason is Reason.OK
        assert server.connections == 2


def test_a_message_whose_text_was_on_its_way_is_not_sent_twice_in_one_try() -> None:
    with sessions_that(ends_within_the_text, smtp) as server:
        connection = connect(server.port)
        assert deliver(connection).reason is Reason.OK
        assert deliver(connection).reason is Reason.RETRY_CONNECT
        assert server.connections == 1


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [
        (b"421 4.3.2 Shutting down\r\n", Reason.RETRY_HTTP_5XX),
        (b"554 5.7.1 No mail from you\r\n", Reason.RETRY_CONNECT),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Reason.RETRY_CONNECT),
    ],
)
def test_a_server_that_will_have_nothing_to_do_with_us_holds_the_message(greeting: bytes, expected: Reason) -> None:
    with scripted(lambda peer: smtp(peer, greeting=greeting)) as server:
        assert deliver(connect(server.port)).reason is expected


def test_an_old_server_without_ehlo_is_spoken_to() -> None:
    with scripted(lambda peer: smtp(peer, REPLIES | {b"EHLO": b"502 What?\r\n", b"HELO": b"250 Hi\r\n"})) as server:
        assert deliver(connect(server.port)).reason is Reason.OK


def outcome_of_probe(server_port: int, password: str = PASSWORD, **config: Any) -> list[tuple[str, Reason]]:
    steps = connector_type.probe(connect(server_port, password, username=USER, **config), timeout=10)
    return [(step.name, step.reason) for step in steps]


def test_a_probe_goes_as_far_as_the_sender_and_sends_nothing() -> None:
    with mail_server(starttls=server_context(), asks_for_sign_in=True) as server:
        found = outcome_of_probe(server.port, security="starttls", ca=CA)
    names = ["policy", "connect", "greeting", "tls", "authenticate", "sender"]
    assert found == [(name, Reason.OK) for name in names]
    assert server.commands == ["MAIL alerts@example.com", "RSET"]
    assert not server.received


def test_a_probe_names_what_is_wrong() -> None:
    with mail_server(asks_for_sign_in=True) as server:
        assert outcome_of_probe(server.port, "wrong")[-1] == ("authenticate", Reason.BAD_CONFIG)
        server.replies["MAIL"] = "550 5.7.60 Not as this sender"
        assert outcome_of_probe(server.port)[-1] == ("sender", Reason.PERMANENT_4XX)
        assert outcome_of_probe(server.port, security="starttls")[-1] == ("tls", Reason.RETRY_TLS)
    with mail_server(tls=server_context()) as server:
        assert outcome_of_probe(server.port, security="none", timeout=1)[-1][0] == "greeting"


def test_an_outcome_tells_who_got_it_and_never_the_text() -> None:
    with mail_server() as server:
        outcome: Outcome = deliver(connect(server.port), message="a secret plan", bcc=["quiet@example.com"])
    assert outcome.request["to"] == ["ops@example.com", "quiet@example.com"]
    assert outcome.request["from"] == "alerts@example.com"
    assert outcome.status == 250
    assert "secret plan" not in repr(outcome)
