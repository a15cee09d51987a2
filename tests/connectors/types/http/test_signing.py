"""Signatures are those of Standard Webhooks: its own library verifies them, before, during and after a rotation."""

import secrets
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from connectors.models import Connector
from connectors.outcomes import Reason
from connectors.services import open_connection, update_connector
from connectors.types.base import Message
from connectors.types.http import client
from connectors.types.http.connector import HttpConnectorType
from connectors.types.http.schemas import HttpParams
from spaces.errors import InvalidInput
from tests.factories import make_connector, make_space
from tests.receiver import Received, Receiver, receiver

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


def secret() -> str:
    return f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"


FIRST, SECOND, THIRD = secret(), secret(), secret()


@pytest.fixture
def to() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def connector(to: Receiver) -> Connector:
    return make_connector(make_space(), to.url, public_id="desk", signed=True, secrets={"signing_secret": FIRST})


def send(connector: Connector, to: Receiver, body: Any = "{}") -> Received:
    row = Connector.objects.get(pk=connector.pk)
    message = Message(1, "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", HttpParams(body=body))
    (outcome,) = HttpConnectorType().deliver(open_connection(row), [message])
    assert outcome.reason is Reason.OK
    return to.requests[-1]


def verifies(received: Received, key: str) -> bool:
    try:
        Webhook(key).verify(received.body, received.headers)
    except WebhookVerificationError:
        return False
    return True


@pytest.mark.parametrize("body", ["{}", '{"ü": "😀"}', {"a": [1, None]}, "[]"])
def test_the_standard_s_library_verifies_a_message(connector: Connector, to: Receiver, body: Any) -> None:
    received = send(connector, to, body)
    assert verifies(received, FIRST)
    assert not verifies(received, SECOND)


def test_a_changed_body_does_not_verify(connector: Connector, to: Receiver) -> None:
    received = send(connector, to)
    assert not verifies(Received("POST", "/", received.headers, b"[]"), FIRST)


def test_a_message_without_a_body_is_signed_as_well(connector: Connector, to: Receiver) -> None:
    assert send(connector, to, None).headers["webhook-signature"].startswith("v1,")


def test_a_replaced_secret_signs_along_for_24_hours(connector: Connector, to: Receiver) -> None:
    now = datetime.now(UTC)
    update_connector(connector, secrets={"signing_secret": SECOND})
    received = send(connector, to)
    assert verifies(received, FIRST)
    assert verifies(received, SECOND)
    with time_machine.travel(now + 23.9 * HOUR):
        assert verifies(send(connector, to), FIRST)
    with time_machine.travel(now + 24.1 * HOUR):
        received = send(connector, to)
        assert verifies(received, SECOND)
        assert not verifies(received, FIRST)


def test_a_running_process_stops_signing_with_a_former_secret_too(
    connector: Connector, to: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_KEYS_KEPT", 0.0)  # seconds on a clock that no test can turn
    update_connector(connector, secrets={"signing_secret": SECOND})
    process, row = HttpConnectorType(), Connector.objects.get(pk=connector.pk)
    message = Message(1, "msg_1", HttpParams(body="{}"))
    list(process.deliver(open_connection(row), [message]))
    assert len(to.requests[-1].headers["webhook-signature"].split()) == 2
    with time_machine.travel(datetime.now(UTC) + 25 * HOUR):
        list(process.deliver(open_connection(row), [message]))
    assert len(to.requests[-1].headers["webhook-signature"].split()) == 1


def test_several_rotations_in_a_day_all_stay_live(connector: Connector, to: Receiver) -> None:
    update_connector(connector, secrets={"signing_secret": SECOND})
    update_connector(connector, secrets={"signing_secret": THIRD})
    received = send(connector, to)
    assert [verifies(received, key) for key in (FIRST, SECOND, THIRD)] == [True, True, True]
    assert len(received.headers["webhook-signature"].split()) == 3


def test_entering_the_same_secret_again_rotates_nothing(connector: Connector, to: Receiver) -> None:
    update_connector(connector, secrets={"signing_secret": FIRST})
    assert len(send(connector, to).headers["webhook-signature"].split()) == 1


def test_former_secrets_do_not_follow_to_another_target(connector: Connector, to: Receiver) -> None:
    update_connector(connector, secrets={"signing_secret": SECOND})
    moved = connector.config | {"url": "https://elsewhere.example/"}
    row = update_connector(connector, config=moved, secrets={"signing_secret": THIRD})
    opened = open_connection(row).secrets
    assert opened.former_signing_secrets is None
    assert len(opened.signing_keys(datetime.now(UTC))) == 1


def test_clearing_the_secret_ends_all_of_them(connector: Connector) -> None:
    update_connector(connector, secrets={"signing_secret": SECOND})
    row = update_connector(connector, secrets={"signing_secret": None})
    assert (row.missing_secrets, row.secrets.open()) == (["signing_secret"], {})


def test_nobody_enters_former_secrets(connector: Connector) -> None:
    with pytest.raises(InvalidInput, match="There is no such field"):
        update_connector(connector, secrets={"former_signing_secrets": f"{SECOND} 2099-01-01T00:00:00+00:00"})


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_short", "whsec_" + "A" * 200, "not base64 ü", "whsec_" + "=" * 40]
)
def test_a_signing_secret_of_the_wrong_form_is_refused_and_not_said_back(connector: Connector, text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        update_connector(connector, secrets={"signing_secret": text})
    assert not text or text not in str(refused.value)


def test_an_action_cannot_set_the_signature_s_headers(connector: Connector, to: Receiver) -> None:
    params = HttpParams.model_construct(body="{}", headers={"webhook-signature": "v1,x"})
    row = Connector.objects.get(pk=connector.pk)
    (outcome,) = HttpConnectorType().deliver(open_connection(row), [Message(1, "msg_1", params)])
    assert outcome.reason is Reason.TEMPLATE_ERROR
