"""Events out of a real mosquitto."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from connectors.models import Connector
from connectors.net.mqtt import MqttClient, QoS, Sent, Session, Version
from connectors.net.urls import Origin
from rules.incoming import CannotAccept
from rules.models import Errand, Event, Source, SourceReader
from rules.services import accept, delete_source, update_source
from spaces.models import Space
from spaces.services import update_space
from tests.factories import make_space
from tests.mosquitto import Mosquitto, mosquitto
from tests.servers import wait_until
from tests.sources import make_connector_of, make_source, runner, wait_for, wait_for_events, wait_for_status

pytestmark = pytest.mark.django_db(transaction=True)
VERSIONS: tuple[Version, ...] = ("5", "3.1.1")


@pytest.fixture(scope="module")
def broker() -> Iterator[Mosquitto]:
    with mosquitto() as running:
        yield running


@pytest.fixture(autouse=True)
def _loopback_allowed(settings: Any) -> None:
    settings.NETWORK_ALLOWED_PRIVATE = ["127.0.0.0/8"]


@pytest.fixture
def space() -> Space:
    return make_space()


@pytest.fixture
def connector(space: Space, broker: Mosquitto) -> Connector:
    return make_connector_of(space, "mqtt", server=f"127.0.0.1:{broker.port}")


class Sender:
    """Publishes, and waits until the broker has it."""

    def __init__(self, broker: Mosquitto) -> None:
        self._published: set[int] = set()
        session = Session(Origin("mqtt", "127.0.0.1", broker.port), "")
        self._client = MqttClient(session, on_published=lambda packet, _: self._published.add(packet))
        self._client.connect(10)

    def send(self, topic: str, *payloads: bytes, qos: QoS = 1, retain: bool = False, sent: Sent | None = None) -> None:
        for payload in payloads:
            packet = self._client.publish(topic, payload, qos, retain=retain, sent=sent)
            ends = time.monotonic() + 10
            while packet not in self._published:
                assert time.monotonic() < ends
                self._client.pump(0.1)


def publish(broker: Mosquitto, topic: str, *payloads: bytes, **how: Any) -> None:
    Sender(broker).send(topic, *payloads, **how)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_is_an_event_with_what_came_along(space: Space, broker: Mosquitto, version: Version) -> None:
    connector = make_connector_of(space, "mqtt", server=f"127.0.0.1:{broker.port}", version=version)
    source = make_source(connector, topics=["site/+/temperature"])
    with runner():
        wait_for_status(source, "connected")
        publish(broker, "site/berlin mitte/temperature", b"21.5")
        (event,) = wait_for_events(space, 1)
        wait_for(source, lambda row: row.accepted_count == 1, "nothing was counted")
    assert (event.type, event.subject, event.data) == ("mqtt.message", "site/berlin mitte/temperature", 21.5)
    assert event.source == f"mqtt://{connector.public_id}/site/berlin%20mitte/temperature"
    assert event.extensions == {"mqtttopic": "site/berlin mitte/temperature", "mqttqos": 1, "mqttretain": False}
    assert source.lag is None


def test_properties_are_there_for_templates_and_for_cloud_events(broker: Mosquitto, connector: Connector) -> None:
    mapped = make_source(
        connector,
        "mapped",
        topics=["props/a"],
        data="message",
        event_type="{{ message.user_properties.kind }}",
        event_id="{{ message.user_properties.id }}",
    )
    cloud = make_source(connector, "cloud", topics=["props/b"], format="cloudevents")
    with runner():
        wait_for_status(mapped, "connected")
        wait_for_status(cloud, "connected")
        properties = (("kind", "reading"), ("id", "r-1"), ("webhook-id", "no uuid"), ("switchyard-hop", "3"))
        publish(broker, "props/a", b"1", sent=Sent("application/json", properties))
        attributes = (("specversion", "1.0"), ("id", "c-1"), ("source", "/s"), ("type", "t"), ("Not-One", "x"))
        publish(broker, "props/b", b"grues", sent=Sent("text/plain", attributes))
        envelope = b'{"specversion": "1.0", "id": "c-2", "source": "/s", "type": "t"}'
        publish(broker, "props/b", envelope, sent=Sent("application/cloudevents+json"))
        events = {event.event_id: event for event in wait_for_events(mapped.space, 3)}
    assert (events["r-1"].type, events["r-1"].hop) == ("reading", 3)
    assert events["r-1"].data["user_properties"]["kind"] == "reading"
    assert (events["c-1"].data, events["c-1"].datacontenttype) == ("grues", "text/plain")
    assert set(events) == {"r-1", "c-1", "c-2"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [1, 2])
def test_what_comes_while_nobody_reads_is_read_later(
    space: Space, broker: Mosquitto, version: Version, qos: QoS
) -> None:
    connector = make_connector_of(space, "mqtt", server=f"127.0.0.1:{broker.port}", version=version)
    source = make_source(connector, topics=["away/#"], qos=qos)
    with runner():
        wait_for_status(source, "connected")
    publish(broker, "away/x", b"1", b"2", b"3", qos=qos)
    with runner():
        events = wait_for_events(space, 3)
    assert [event.data for event in events] == [1, 2, 3]


def test_a_broker_that_is_restarted_loses_nothing_and_nothing_comes_twice(space: Space) -> None:
    with mosquitto() as broker:
        source = make_source(
            make_connector_of(space, "mqtt", server=f"127.0.0.1:{broker.port}"), topics=["restart"], qos=1
        )
        with runner():
            wait_for_status(source, "connected")
            publish(broker, "restart", b"1")
            wait_for_events(space, 1)
            broker.stop()
            wait_for_status(source, "disconnected")
            assert source.status_reason == "retry_connect"
            broker.start()
            publish(broker, "restart", b"2")
            wait_for_status(source, "connected")
            events = wait_for_events(space, 2)
        assert [event.data for event in events] == [1, 2]


def test_topics_that_a_source_no_longer_names_are_left(broker: Mosquitto, connector: Connector) -> None:
    source = make_source(connector, topics=["left/a", "left/b"])
    with runner():
        wait_for_status(source, "connected")
        update_source(source, params={**source.params, "topics": ["left/b", "left/c"]})
        wanted = {"left/b": 1, "left/c": 1}
        wait_for(source, lambda row: wanted in row.memory.values(), "it does not read the new topics")
        for topic in ("left/a", "left/b", "left/c"):
            publish(broker, topic, b"1")
        events = wait_for_events(source.space, 2)
    assert {event.subject for event in events} == {"left/b", "left/c"}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_broker_kept_comes_once_or_not_at_all(space: Space, broker: Mosquitto, version: Version) -> None:
    connector = make_connector_of(space, "mqtt", server=f"127.0.0.1:{broker.port}", version=version)
    topic = f"kept/{version}"
    publish(broker, topic, b"0", retain=True)
    taking = make_source(connector, "taking", topics=[topic])
    leaving = make_source(connector, "leaving", topics=[topic], retained=False)
    for number in (1, 2):
        with runner():
            wait_for_status(taking, "connected")
            wait_for_status(leaving, "connected")
            publish(broker, topic, b"%d" % number)
            wait_for_events(space, 2 * number + 1)
    events: list[Any] = list(Event.objects.filter(space=space, type="mqtt.message"))
    assert sorted(event.data for event in events) == [0, 1, 1, 2, 2]


def test_poison_is_refused_and_the_others_go_on(broker: Mosquitto, connector: Connector, settings: Any) -> None:
    settings.MAX_EVENT_BYTES = 1000
    source = make_source(connector, topics=["poison/#"])
    with runner():
        wait_for_status(source, "connected")
        sender = Sender(broker)
        sender.send("poison/1", b"{", b"\xff", b"[" * 2000)
        sender.send("poison/2", b"1")
        wait_for(source, lambda row: row.refused_count == 3, "not all poison was counted")
        sender.send("poison/3", b"2")
        events = wait_for_events(source.space, 2)
    assert [event.data for event in events] == [1, 2]
    assert source.last_refusal.startswith("a message on poison/1: ")


def test_a_message_without_a_payload_is_an_event_without_data(broker: Mosquitto, connector: Connector) -> None:
    source = make_source(connector, topics=["cleared/#"])
    with runner():
        wait_for_status(source, "connected")
        publish(broker, "cleared/x", b"1", b"", retain=True)
        kept, cleared = wait_for_events(source.space, 2)
        wait_for(source, lambda row: row.accepted_count == 2, "nothing was counted")
    assert (kept.data, cleared.data, cleared.datacontenttype) == (1, None, "")
    assert (cleared.subject, source.refused_count) == ("cleared/x", 0)


def test_each_source_makes_its_own_events_of_one_topic(broker: Mosquitto, connector: Connector) -> None:
    sources = [make_source(connector, name, topics=["both"]) for name in ("one", "two")]
    with runner():
        for source in sources:
            wait_for_status(source, "connected")
        publish(broker, "both", b"1", b"2")
        for source in sources:
            wait_for(source, lambda row: row.accepted_count == 2, "another source's events took their place")


def test_a_rate_and_a_database_that_is_away_are_waited_for(
    broker: Mosquitto, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_source(connector, topics=["slow"])
    update_space(source.space, max_events_per_second=10)
    with runner():
        wait_for_status(source, "connected")
        publish(broker, "slow", *(b"%d" % number for number in range(120)))
        wait_for_status(source, "waiting")
        wait_for_events(source.space, 120)
        update_space(source.space, max_events_per_second=None)
        wait_for_status(source, "connected")
        with monkeypatch.context() as patch:
            patch.setattr(accept, "_store_durably", _fail)
            publish(broker, "slow", b"120")
            wait_for_status(source, "waiting")
        events = wait_for_events(source.space, 121)
    assert [event.data for event in events] == list(range(121))


def _fail(*_: Any) -> Any:
    raise CannotAccept


def test_one_process_at_a_time_reads_a_source(broker: Mosquitto, connector: Connector) -> None:
    source = make_source(connector, topics=["alone"])
    with runner() as first:
        wait_for_status(source, "connected")
        with runner():
            publish(broker, "alone", b"1")
            wait_for_events(source.space, 1)
            assert [reader.process for reader in SourceReader.objects.all()] == [first.process]
    publish(broker, "alone", b"2")
    with runner():
        assert [event.data for event in wait_for_events(source.space, 2)] == [1, 2]


def test_a_hold_that_ran_out_is_taken_over(broker: Mosquitto, connector: Connector) -> None:
    source = make_source(connector, topics=["held"])
    with runner():
        wait_for_status(source, "connected")
        former = Errand.objects.get(name=f"source:{source.pk}").held_until
        # As if another process had taken it, and vanished.
        Errand.objects.update(held_until=former.replace(microsecond=0))
        wait_for_status(source, "disconnected")
        assert source.status_reason == "lost_lease"


def test_a_source_that_is_deleted_leaves_no_session(broker: Mosquitto, connector: Connector) -> None:
    source = make_source(connector, topics=["gone"])
    with runner():
        wait_for_status(source, "connected")
        name = f"source-{source.pk}"
        delete_source(source)
        wait_until(lambda: name not in {thread.name for thread in threading.enumerate()}, "it is still read")
    again = make_source(connector, topics=["gone/not"])
    publish(broker, "gone", b"1")
    with runner():
        wait_for_status(again, "connected")
        publish(broker, "gone/not", b"2")
        assert [event.data for event in wait_for_events(again.space, 1)] == [2]


def test_a_group_shares_what_comes(broker: Mosquitto, connector: Connector) -> None:
    sources = [make_source(connector, name, topics=["$share/group/shared/#"]) for name in ("one", "two")]
    with runner():
        for source in sources:
            wait_for_status(source, "connected")
        publish(broker, "shared/x", *(b"%d" % number for number in range(20)))
        events = wait_for_events(connector.space, 20)  # type: ignore[arg-type]  # it has one
        for source in sources:
            wait_for(source, lambda row: row.accepted_count > 0, "it got nothing")
    assert sorted(event.data for event in events) == list(range(20))


def test_tls_and_a_password(space: Space) -> None:
    authority = trustme.CA()
    with mosquitto(users={"ada": "right"}, certificate=authority.issue_cert("127.0.0.1")) as broker:
        connector = make_connector_of(
            space,
            "mqtt",
            {"password": "right"},
            server=f"127.0.0.1:{broker.tls_port}",
            tls=True,
            ca=authority.cert_pem.bytes().decode(),
            username="ada",
        )
        source = make_source(connector, topics=["#"])
        with runner():
            wait_for_status(source, "connected")
        wrong = make_connector_of(
            space,
            "mqtt",
            {"password": "wrong-guess"},
            server=f"127.0.0.1:{broker.port}",
            username="ada",
        )
        refused: Source = make_source(wrong, "refused", topics=["#"])
        with runner():
            wait_for_status(refused, "disconnected")
        assert (refused.status_reason, "wrong-guess" in refused.status_detail) == ("bad_config", False)
