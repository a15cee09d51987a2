"""From an event to a mail at a real SMTP server, which asks for a sign-in over STARTTLS."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from tests.connectors.types.email.mailing import AUTHORITY, CA
from tests.mail_server import PASSWORD, USER, VERSION, Received, mail_server
from tests.services.transcripts.declared import HOT, SAYS, Arrival, Destination, Step, Surroundings, Walk

_SHOWN = ("From", "To", "Cc", "Subject", "Message-ID")


@contextmanager
def server(_: Surroundings) -> Iterator[Destination]:
    """Run the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    with mail_server(starttls=context, asks_for_sign_in=True) as running:
        config = {
            "host": "127.0.0.1",
            "port": running.port,
            "security": "starttls",
            "ca": CA,
            "username": USER,
            "from": "Switchyard <alerts@example.com>",
        }
        yield Destination(
            f"{VERSION}, a sign-in over STARTTLS",
            config,
            {"password": PASSWORD},
            lambda: [_of(received) for received in list(running.received)],
        )


def _of(received: Received) -> Arrival:
    return Arrival(
        f"MAIL FROM:<{received.sender}> RCPT TO:<{'>, <'.join(received.recipients)}>",
        {name.lower(): str(received.message[name]) for name in _SHOWN if received.message[name]},
        "\n".join(f"({kind})\n{received.body(kind).rstrip()}" for kind in ("plain", "html")),
    )


WALK = Walk(
    server,
    "Oven &quot;7&quot; &lt;!channel&gt; @everyone &lt;b&gt;*hot*&lt;/b&gt;<br />\n[x](https://a.test)",
    (
        Step(
            "A mail to two people",
            HOT,
            {
                "to": ["ops@example.com"],
                "cc": ["Boss <boss@example.com>"],
                "subject": "Oven {{ event.data.oven }} is too hot",
                "message": f"**Too hot**: {SAYS}",
            },
            ("RCPT TO:<ops@example.com>, <boss@example.com>", "<strong>Too hot</strong>", "Oven 7 is too hot"),
        ),
    ),
    family="mail",
)
