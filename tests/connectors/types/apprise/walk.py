"""From an event to a service of apprise: its host is fixed, so a proxy of the installation stands for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.connectors.types.apprise.behind import authority_pem, speaking
from tests.connectors.types.apprise.scenarios import TAKEN
from tests.contract.scripted import answering
from tests.services.transcripts.declared import AS_JSON, HOT, SAYS, Arrival, Destination, Step, Surroundings, Walk
from tests.services.transcripts.receivers import telling

_HOST, _KEY = "rest.clicksend.com", "C11CKS3ND-0123456789abcdef"


@contextmanager
def service(_: Surroundings) -> Iterator[Destination]:
    """Run the proxy."""
    with speaking(answering(TAKEN), [_HOST]) as server:
        yield Destination(
            f"a receiver for {_HOST} behind a proxy of the installation, over TLS",
            {"service": "clicksend", "ca": authority_pem()},
            {"url": f"clicksend://ovens:{_KEY}@15551234567"},
            lambda: [_of(request) for request in list(server.requests) if not request.startswith(b"CONNECT ")],
            proxy=server.url,
            hosts=(_HOST,),
        )


def _of(request: bytes) -> Arrival:
    head, _, body = request.decode().partition("\r\n\r\n")
    line, *rest = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in rest)}
    return Arrival(line.rpartition(" ")[0], telling(headers), body)


WALK = Walk(
    service,
    AS_JSON,
    (Step("A text message to a telephone", HOT, {"title": "Too hot", "body": SAYS}, ("POST /v3/sms/send",)),),
    keys=(_KEY,),
)
