"""What holds where the code of a connector type itself fails, as that of a package may."""

import logging
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping

import pytest
from django.db import DatabaseError
from pydantic import SecretStr

from actions.engine.lanes import lanes
from actions.models import Delivery
from connectors.models import Connector
from connectors.net.exchange import Request
from connectors.outcomes import Outcome, Reason
from connectors.services import create_connector
from connectors.steps import Step
from connectors.types.base import Config, Connection, ConnectorType, Message, Params, Secrets
from connectors.types.http_api import Exchange, HttpApiConfig, HttpApiType
from connectors.types.registry import all_types
from connectors.types.sites import Site
from rules.services.invariants import check_invariants
from spaces.models import Space
from tests.api.client import Api
from tests.contract.harness import CANARY
from tests.factories import make_action, make_rule, make_space
from tests.rules.running import incoming, send
from tests.vendors import Answer, Vendor, vendor

pytestmark = pytest.mark.django_db(transaction=True)

State = Delivery.State
CREDENTIALS = b64encode(f"user:{CANARY}".encode()).decode()


class FaultyConfig(HttpApiConfig):
    url: str = "http://127.0.0.1"


class FaultySecrets(Secrets):
    password: SecretStr | None = None


class FaultyParams(Params):
    text: str = "{{ event.id }}"


class FaultyApi(HttpApiType[FaultyConfig, FaultySecrets, FaultyParams]):
    """Raises before its request or after its answer, as the text of the message says."""

    id = "faulty_api"
    name = "Faulty API"
    description = "Fails."
    categories = ("test",)
    icon = "bug_report"
    config_model = FaultyConfig
    secrets_model = FaultySecrets
    params_model = FaultyParams

    def base_url(self, config: FaultyConfig, secrets: FaultySecrets) -> str:
        return config.url

    def derived_secrets(self, config: FaultyConfig, secrets: FaultySecrets) -> list[str]:
        return [CREDENTIALS]

    def headers(self, config: FaultyConfig, secrets: FaultySecrets) -> Mapping[str, str]:
        return {"authorization": f"Basic {CREDENTIALS}"}

    def converse(self, site: Site[FaultyConfig, FaultySecrets], message: Message[FaultyParams]) -> Exchange:
        if message.params.text == "before":
            raise RuntimeError(f"cannot use {CANARY}\nand {CREDENTIALS}")
        request = site.request("POST", json=message.params.text, message=message)
        result = yield request
        if message.params.text == "database":
            raise DatabaseError("the database is gone")
        if message.params.text == "after":
            raise KeyError(CANARY)
        return site.outcome(message, request, result)

    def probe_request(self, site: Site[FaultyConfig, FaultySecrets]) -> Request:
        raise RuntimeError(f"cannot use {CANARY}")


class PlainConfig(Config):
    fails: str = "at a message"


class FaultyPlain(ConnectorType[PlainConfig, FaultySecrets, FaultyParams]):
    """Raises where its config says; takes two messages at a time."""

    id = "faulty_plain"
    name = "Faulty"
    description = "Fails."
    categories = ("test",)
    icon = "bug_report"
    config_model = PlainConfig
    secrets_model = FaultySecrets
    params_model = FaultyParams

    def deliver(
        self, connection: Connection[PlainConfig, FaultySecrets], messages: Iterable[Message[FaultyParams]]
    ) -> Iterator[Outcome]:
        fails = connection.config.fails
        if fails == "at once":
            raise RuntimeError(f"cannot use {CANARY}")
        return self._deliver(fails, messages)

    def _deliver(self, fails: str, messages: Iterable[Message[FaultyParams]]) -> Iterator[Outcome]:
        for message in messages:
            if message.params.text == "before":
                if fails == "without an outcome":
                    continue
                if fails == "with another key":
                    yield Outcome(-1, Reason.OK)
                raise RuntimeError(f"cannot use {CANARY}")
            yield Outcome(message.key, Reason.OK)

    def probe(self, connection: Connection[PlainConfig, FaultySecrets], *, timeout: float) -> Iterator[Step]:
        if connection.config.fails != "without a step":
            yield Step("look", "It looks well.")
            raise RuntimeError(f"cannot use {CANARY}")

    def targets(self, config: PlainConfig) -> frozenset[str]:
        return frozenset()


@pytest.fixture(autouse=True)
def _types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(all_types(), "faulty_api", FaultyApi())
    monkeypatch.setitem(all_types(), "faulty_plain", FaultyPlain())


@pytest.fixture(autouse=True)
def _tells_nothing(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield
    for told in (caplog.text, *capfd.readouterr()):
        assert "S3CR3T" not in told
        assert CREDENTIALS not in told


@pytest.fixture
def server() -> Iterator[Vendor]:
    with vendor(lambda _: Answer(200)) as running:
        yield running
        lanes.stop()
    assert not [finding for finding in check_invariants() if finding.broken]


@pytest.fixture
def space() -> Space:
    return make_space()


def connect(space: Space, type_id: str, **config: str) -> Connector:
    connector = create_connector(
        space, type=type_id, name="Faulty", public_id="faulty", config=config, secrets={"password": CANARY}
    )
    make_rule(space, params={"event_types": ["test.ping"]}, actions=[make_action(connector)])
    return connector


def deliveries() -> dict[str, Delivery]:
    return {delivery.message["text"]: delivery for delivery in Delivery.objects.all()}


@pytest.mark.parametrize("fault", ["before", "after"])
def test_the_message_that_a_type_fails_at_is_tried_again_and_the_others_arrive_once(
    server: Vendor, space: Space, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    connect(space, "faulty_api", url=server.url)
    send(space, *map(incoming, ["a", "b", fault, "c", "d"]))
    found = deliveries()
    failed = found.pop(fault)
    assert {delivery.state for delivery in found.values()} == {State.DELIVERED}
    assert (failed.state, failed.attempts, failed.last_reason) == (State.PENDING, 1, Reason.RETRY_HTTP_5XX)
    what = {"before": "RuntimeError", "after": "KeyError"}[fault]
    assert failed.last_detail == f"The connector type faulty_api failed with {what}. The log says where."
    assert "in converse" in caplog.text, "the log says where"
    sent = sorted(call.json for call in server.calls)
    assert [text for text in sent if text != fault] == ["a", "b", "c", "d"]


def test_a_database_that_is_gone_is_no_fault_of_the_type(server: Vendor) -> None:
    connection = Connection(1, 1, FaultyConfig(url=server.url), FaultySecrets())
    with pytest.raises(DatabaseError):
        list(FaultyApi().deliver(connection, [Message(7, "0d9f", FaultyParams(text="database"))]))


@pytest.mark.parametrize("fails", ["at a message", "without an outcome", "with another key"])
def test_where_the_sending_itself_fails_what_was_under_way_is_tried_again_and_no_lease_is_left(
    server: Vendor, space: Space, fails: str
) -> None:
    connect(space, "faulty_plain", fails=fails)
    send(space, *map(incoming, ["a", "b", "before", "c", "d"]))
    found = deliveries()
    failed = found.pop("before")
    assert {delivery.state for delivery in found.values()} == {State.DELIVERED}
    assert (failed.state, failed.attempts, failed.last_reason) == (State.PENDING, 1, Reason.RETRY_HTTP_5XX)
    assert "connector type" in failed.last_detail


def test_a_type_that_takes_no_message_fails_each_of_them_once(server: Vendor, space: Space) -> None:
    connect(space, "faulty_plain", fails="at once")
    send(space, *map(incoming, ["a", "b"]))
    for delivery in deliveries().values():
        assert (delivery.state, delivery.attempts, delivery.last_reason) == (State.PENDING, 1, Reason.RETRY_HTTP_5XX)
        assert delivery.last_detail == "The connector type faulty_plain failed with RuntimeError. The log says where."


@pytest.mark.parametrize(
    ("type_id", "fails"),
    [
        ("faulty_api", ""),
        ("faulty_plain", "at once"),
        ("faulty_plain", "at a message"),
        ("faulty_plain", "with another key"),
    ],
)
def test_a_message_sent_by_hand_fails_and_is_no_error_of_the_server(space: Space, type_id: str, fails: str) -> None:
    connect(space, type_id, **({"fails": fails} if fails else {}))
    answer = Api(space).send("POST", "connectors/faulty/execute", {"params": {"text": "before"}})
    assert (answer.status, answer.body["reason"]) == (200, "retry_http_5xx"), answer.body
    assert f"{type_id} failed with RuntimeError" in str(answer.body)
    assert "S3CR3T" not in str(answer.body)


@pytest.mark.parametrize(
    ("type_id", "fails", "names"),
    [
        ("faulty_api", "", ["parse", "type"]),
        ("faulty_plain", "at a message", ["look", "type"]),
        ("faulty_plain", "without a step", ["type"]),
    ],
)
def test_a_test_ends_with_a_failed_step_and_is_no_error_of_the_server(
    space: Space, type_id: str, fails: str, names: list[str]
) -> None:
    connect(space, type_id, **({"fails": fails} if fails else {}))
    answer = Api(space).send("POST", "connectors/faulty/probe")
    assert (answer.status, answer.body["outcome"]) == (200, "failed"), answer.body
    found = [step["name"] for step in answer.body["steps"]]
    assert (found[0], found[-1]) == (names[0], names[-1])
    assert f"The connector type {type_id} failed" in answer.body["steps"][-1]["detail"]
    assert "S3CR3T" not in str(answer.body)
