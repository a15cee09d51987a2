"""HTTP servers for the contract tests."""

from typing import Any

from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.http.credentials import HttpSecrets
from connectors.types.http.schemas import HttpConfig, HttpParams
from tests.contract.harness import CANARY, TIMEOUT
from tests.contract.http_systems import STATUSES, http_scenarios, serve
from tests.contract.scripted import Script, answering, http_answer

HttpConnection = Connection[HttpConfig, HttpSecrets]


def message(key: int) -> Message[HttpParams]:
    return Message(key, f"msg_{key}", HttpParams(body=f'{{"n": {key}}}'))


def connect(url: str, **config: Any) -> HttpConnection:
    """Return a connection with the canary in every secret."""
    settings = {"url": url, "timeout": TIMEOUT, "auth": "basic", "username": "user"} | config
    secrets = HttpSecrets.model_validate(
        {
            "password": CANARY,
            "token": f"token-{CANARY}",
            "api_key": f"key-{CANARY}",
            "client_secret": f"client-{CANARY}",
            "headers": f"X-Secret: header-{CANARY}",
            "client_passphrase": f"phrase-{CANARY}",
            "proxy_password": f"proxy-{CANARY}",
        }
    )
    return Connection(1, 1, HttpConfig.model_validate(settings), secrets)


def connect_to(url: str, ca: str) -> HttpConnection:
    return connect(url, ca=ca)


def _echo(request: bytes) -> bytes:
    """Send the credentials back as they came, and far enough that the cut splits them."""
    authorization = next(line for line in request.split(b"\r\n") if line.startswith(b"authorization"))
    token = authorization.partition(b" ")[2].partition(b" ")[2]
    plain = CANARY.encode()
    body = request + plain + CANARY.encode("utf-16-le") + b"\xff\0" + (token + plain) * 1000
    return http_answer(
        401, body, b"location: /" + token, b"www-authenticate: Basic realm=" + plain, b"content-type: " + plain
    )


def _split(at: int) -> Script:
    """Answer with a body that is cut after ``at`` bytes of the secret."""
    return answering(http_answer(500, b"x" * (16 * 1024 - at) + CANARY.encode() * 2))


SCENARIOS = (
    *http_scenarios(
        connect_to,
        http_answer(202, b"thanks"),
        statuses=STATUSES
        | {
            204: Reason.OK,
            409: Reason.RETRY_HTTP_5XX,
            425: Reason.RETRY_HTTP_5XX,
            999: Reason.RETRY_HTTP_5XX,
        },
    ),
    serve(connect_to, "sends the credentials back", Reason.PERMANENT_4XX, answering(_echo)),
    *(serve(connect_to, f"sends {at} bytes of a secret", Reason.RETRY_HTTP_5XX, _split(at)) for at in (13, 14, 20, 25)),
    serve(
        connect_to,
        "sends what cannot be stored",
        Reason.OK,
        answering(http_answer(200, b"\0\xff\xed\xa0\x80\0", b"server: \xff")),
    ),
)
