"""The rig misbehaves as it is told, and the HTTP connector makes of it what is documented."""

import pytest

from connectors.net.pool import pool
from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.http import connector_type
from connectors.types.http.credentials import HttpSecrets
from connectors.types.http.schemas import HttpConfig, HttpParams
from tests.faults.scripted import MODES, scripted_receiver

OUTCOMES = {
    "ok": Reason.OK,
    "echo": Reason.OK,
    "huge": Reason.OK,
    "gzip_bomb": Reason.OK,
    "500": Reason.RETRY_HTTP_5XX,
    "410": Reason.PERMANENT_410,
    "429": Reason.RETRY_429,
    "redirect": Reason.BAD_CONFIG,
    "drip_header": Reason.RETRY_TIMEOUT,
    "drip_body": Reason.RETRY_TIMEOUT,
    "hang": Reason.RETRY_TIMEOUT,
    "reset": Reason.RETRY_CONNECT,
    "bad_tls": Reason.RETRY_CONNECT,
}


@pytest.mark.django_db
@pytest.mark.parametrize("mode", MODES)
def test_each_misbehaviour_has_its_outcome(mode: str) -> None:
    with scripted_receiver() as receiver:
        receiver.mode = mode
        config = HttpConfig.model_validate({"url": receiver.url, "timeout": 2})
        connection = Connection(1, 1, config, HttpSecrets())
        message = Message(1, "msg_1", HttpParams.model_construct(body="{}"))
        (outcome,) = connector_type.deliver(connection, [message])
    pool.clear()
    assert outcome.reason is OUTCOMES[mode], outcome.detail
    assert [request.webhook_id for request in receiver.requests] == ["msg_1"]
    if mode == "429":
        assert outcome.retry_after == 2
