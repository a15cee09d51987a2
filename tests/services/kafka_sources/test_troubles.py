"""Sources go on reading a real Kafka through what goes wrong around them."""

from typing import Any

import pytest
from django.db import connection

from connectors.models import Connector
from connectors.services import update_connector
from rules.incoming import CannotAccept
from rules.models import Event, SourceReader
from rules.services import accept, delete_source, update_source
from spaces.models import Space
from spaces.services import update_space
from tests.kafka_broker import PASSWORD, USER, KafkaBroker
from tests.servers import wait_until
from tests.services.kafka_sources.topics import committed, earliest, group_of, produce
from tests.sources import make_connector_of, runner, wait_for, wait_for_events, wait_for_status

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_rate_is_kept_by_waiting_and_nothing_is_lost(broker: KafkaBroker, connector: Connector, topic: str) -> None:
    source = earliest(connector, topic)
    update_space(source.space, max_events_per_second=10)
    produce(broker, topic, *(b"%d" % number for number in range(150)))
    with runner():
        wait_for_status(source, "waiting")
        assert "no more events a second" in source.status_detail
        events = wait_for_events(source.space, 150)
        wait_for_status(source, "connected")
    assert sorted(event.data for event in events) == list(range(150))


def test_a_database_that_is_away_is_waited_for(
    broker: KafkaBroker, connector: Connector, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = earliest(connector, topic)
    with runner():
        wait_for_status(source, "connected")
        with monkeypatch.context() as patch:
            patch.setattr(accept, "_store_durably", _fail)
            produce(broker, topic, *(b"%d" % number for number in range(20)))
            wait_for_status(source, "waiting")
            assert committed(broker, group_of(source), topic) == 0
        events = wait_for_events(source.space, 20)
        wait_for_status(source, "connected")
    assert sorted(event.data for event in events) == list(range(20))


def _fail(*_: Any) -> Any:
    raise CannotAccept


def test_a_broker_that_is_killed_is_waited_for(own_kafka: KafkaBroker, space: Space) -> None:
    topic = own_kafka.create_topic(partitions=2)
    source = earliest(make_connector_of(space, "kafka", bootstrap_servers=own_kafka.plain), topic)
    with runner():
        produce(own_kafka, topic, b"1")
        wait_for_events(space, 1)
        wait_for_status(source, "connected")
        own_kafka.kill()
        wait_for_status(source, "disconnected")
        assert source.status_reason == "retry_connect"
        own_kafka.start()
        produce(own_kafka, topic, b"2")
        assert [event.data for event in wait_for_events(space, 2)] == [1, 2]
        wait_for_status(source, "connected")
    types = Event.objects.filter(space=space, type__startswith="switchyard.source.").order_by("pk")
    assert [event.type.rpartition(".")[2] for event in types] == ["connected", "disconnected", "connected", "stopped"]


def test_a_broker_that_is_down_at_the_start_is_told_and_waited_for(connector: Connector, broker: KafkaBroker) -> None:
    update_connector(connector, config={**connector.config, "bootstrap_servers": "127.0.0.1:1", "timeout": 2})
    source = earliest(connector, "whatever")
    with runner():
        wait_for_status(source, "disconnected")
        assert source.status_reason == "retry_connect"
        update_connector(connector, config={**connector.config, "bootstrap_servers": broker.plain})
        wait_for(source, lambda row: row.status_reason == "permanent_4xx", "the missing topic is not told of")
        assert "no such topic" in source.status_detail


def test_wrong_credentials_are_told_and_never_shown(space: Space, broker: KafkaBroker) -> None:
    config = {"bootstrap_servers": broker.sasl, "auth": "scram_sha_512", "username": USER}
    connector = make_connector_of(space, "kafka", {"password": "a-wrong-guess"}, **config)
    source = earliest(connector, broker.create_topic())
    with runner():
        wait_for_status(source, "disconnected")
        assert source.status_reason == "bad_config"
        assert "a-wrong-guess" not in source.status_detail
        update_connector(connector, secrets={"password": PASSWORD})
        wait_for_status(source, "connected")


def test_sources_that_are_made_changed_switched_and_deleted_are_noticed(
    broker: KafkaBroker, connector: Connector, topic: str
) -> None:
    with runner():
        source = earliest(connector, topic)
        produce(broker, topic, b"1")
        wait_for_events(source.space, 1)
        update_source(source, enabled=False)
        wait_until(lambda: not SourceReader.objects.exists(), "it is still read")
        produce(broker, topic, b"2")
        wait_for_status(source, "disabled")
        update_source(source, enabled=True, params={**source.params, "event_type": "changed"})
        assert [event.type for event in wait_for_events(source.space, 2)] == ["kafka.record", "changed"]
        update_connector(connector, enabled=False)
        wait_for_status(source, "disabled")
        update_connector(connector, enabled=True)
        wait_for_status(source, "connected")
        delete_source(source)
        wait_until(lambda: not SourceReader.objects.exists(), "it is still read")


def test_two_runners_share_a_source(broker: KafkaBroker, connector: Connector, topic: str) -> None:
    source = earliest(connector, topic)
    with runner() as first:
        wait_for_status(source, "connected")
        with runner() as second:
            names = {first.process, second.process}
            wait_until(lambda: set(SourceReader.objects.values_list("process", flat=True)) == names, "not both read it")
            for number in range(200):
                produce(broker, topic, b"%d" % number) if number % 50 == 0 else None
            wait_for_events(source.space, 4)
        wait_until(lambda: SourceReader.objects.count() == 1, "the one that left is still there")
        produce(broker, topic, *(b"%d" % number for number in range(100)))
        wait_for_events(source.space, 104)
    assert source.refused_count == 0
    assert connection.vendor in ("sqlite", "postgresql")
