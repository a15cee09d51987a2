"""Events out of a real Kafka."""

import json
from functools import partial
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from connectors.models import Connector
from rules.models import Event, Source
from rules.services import update_source
from spaces.models import Space
from tests.kafka_broker import STRANGER, STRANGER_PASSWORD, KafkaBroker
from tests.servers import wait_until
from tests.services.kafka_sources.topics import committed, earliest, group_of, produce
from tests.sources import make_connector_of, make_source, runner, wait_for, wait_for_events, wait_for_status

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_record_is_an_event_with_what_came_along(broker: KafkaBroker, connector: Connector, topic: str) -> None:
    produce(broker, topic, b'{"total": 7}', key=b"A-1", partition=1, timestamp=1767225600123)
    source = earliest(connector, topic)
    with runner():
        (event,) = wait_for_events(source.space, 1)
        wait_for(source, lambda row: row.accepted_count == 1 and row.lag == 0, "nothing was counted")
    assert (event.type, event.subject, event.event_id) == ("kafka.record", "A-1", f"src:{topic}-1-0")
    assert event.source == f"kafka://{connector.public_id}/{topic}"
    assert (event.data, event.datacontenttype) == ({"total": 7}, "application/json")
    assert event.time.isoformat() == "2026-01-01T00:00:00.123000+00:00"
    assert event.extensions == {
        "kafkatopic": topic,
        "kafkapartition": 1,
        "kafkaoffset": "0",
        "partitionkey": "A-1",
    }
    assert source.last_event_at is not None


def test_templates_say_which_event_it_is(broker: KafkaBroker, connector: Connector, topic: str) -> None:
    produce(broker, topic, b'{"id": "x7", "state": "paid"}', key=b"k", headers=[("kind", b"order")])
    source = earliest(
        connector,
        topic,
        data="message",
        event_type="{{ message.headers.kind }}.{{ message.value.state }}",
        event_source="/shops/{{ message.key }}/{{ connector.id }}/{{ source.id }}",
        event_subject="{{ message.topic }}",
        event_id="{{ message.value.id }}",
    )
    with runner():
        (event,) = wait_for_events(source.space, 1)
    assert (event.type, event.subject, event.event_id) == ("order.paid", topic, "x7")
    assert event.source == f"/shops/k/{connector.public_id}/src"
    assert event.data["headers"] == {"kind": "order"}
    assert event.data["value"] == {"id": "x7", "state": "paid"}
    assert (event.data["topic"], event.data["key"]) == (topic, "k")


def test_cloud_events_come_as_they_are_in_both_modes(broker: KafkaBroker, connector: Connector, topic: str) -> None:
    envelope = {"specversion": "1.0", "id": "1", "source": "/s", "type": "a.b", "subject": "x", "data": {"n": 1}}
    content_type = ("content-type", b"application/cloudevents+json; charset=UTF-8")
    produce(broker, topic, json.dumps(envelope).encode(), headers=[content_type])
    attributes = {"ce_specversion": "1.0", "ce_id": "2", "ce_source": "/s", "ce_type": "a.b", "ce_shop": "köln"}
    headers = [(name, value.encode()) for name, value in attributes.items()]
    produce(broker, topic, b"\xff\x00", headers=[*headers, ("content-type", b"image/png")])
    source = earliest(connector, topic, format="cloudevents")
    with runner():
        events = {event.event_id: event for event in wait_for_events(source.space, 2)}
    assert (events["1"].type, events["1"].subject, events["1"].data) == ("a.b", "x", {"n": 1})
    assert (events["2"].data, events["2"].is_binary, events["2"].datacontenttype) == ("/wA=", True, "image/png")
    assert events["2"].extensions == {"shop": "köln"}


@pytest.mark.parametrize(("form", "data", "is_binary"), [("text", "grüß", False), ("base64", "Z3LDvMOf", True)])
def test_other_formats(
    broker: KafkaBroker, connector: Connector, topic: str, form: str, data: str, is_binary: bool
) -> None:
    produce(broker, topic, "grüß".encode())
    source = earliest(connector, topic, format=form)
    with runner():
        (event,) = wait_for_events(source.space, 1)
    assert (event.data, event.is_binary) == (data, is_binary)


def test_poison_is_refused_and_the_others_go_on(
    broker: KafkaBroker, connector: Connector, topic: str, settings: Any
) -> None:
    settings.MAX_EVENT_BYTES = 1000
    poison = [b"{", b'{"a": 1, "a": 2}', b'{"a": "\\u0000"}', b"\xff", b'"' + b"x" * 2000 + b'"', b'{"a": NaN}']
    produce(broker, topic, b"1", *poison, b"2", partition=0)
    source = earliest(connector, topic)
    with runner():
        events = wait_for_events(source.space, 2)
        wait_for(source, lambda row: row.refused_count == len(poison), "not all poison was counted")
        wait_until(lambda: committed(broker, group_of(source), topic) == 8, "it was not committed")
    assert [event.data for event in events] == [1, 2]
    assert f"{topic}-0-6: " in source.last_refusal


def test_keys_and_headers_of_any_bytes_harm_nothing(broker: KafkaBroker, connector: Connector, topic: str) -> None:
    headers: list[Any] = [("x", b"\xff\x00"), ("none", None), ("nul", b"a\x00"), ("ü", b"1"), ("ce_BAD name", b"x")]
    produce(broker, topic, b"1", None, b"", key=b"\xfe\x00", headers=headers)
    produce(broker, topic, b"2", key=b"a\nb" * 1000, partition=0)
    source = earliest(connector, topic, data="message")
    with runner():
        events = wait_for_events(source.space, 3)
        wait_for(source, lambda row: row.refused_count == 1, "the empty value is no JSON")
    assert {event.data["value"] for event in events} == {1, 2, None}
    assert {event.subject for event in events} == {""}
    assert {event.data["key"] for event in events} == {"/gA=", "a\nb" * 1000}
    assert not any("partitionkey" in event.extensions for event in events)


def test_what_comes_again_is_stored_once(broker: KafkaBroker, connector: Connector, topic: str) -> None:
    produce(broker, topic, *(b"%d" % number for number in range(50)))
    source = earliest(connector, topic)
    with runner():
        wait_for_events(source.space, 50)
    update_source(source, params={**source.params, "group_id": "another", "event_subject": "moved"})
    with runner():
        wait_for(source, lambda row: row.duplicate_count == 50, "they did not come again")
    assert Event.objects.filter(space=source.space, type="kafka.record").count() == 50
    assert source.refused_count == 0


def test_a_topic_that_was_made_anew_brings_other_events(broker: KafkaBroker, connector: Connector, topic: str) -> None:
    produce(broker, topic, b'"before"', partition=0)
    source = earliest(connector, topic)
    with runner():
        wait_for_events(source.space, 1)
    with AdminClient({"bootstrap.servers": broker.plain, "log_level": 0}) as admin:
        admin.delete_topics([topic])[topic].result(30)
        wait_until(lambda: topic not in admin.list_topics(timeout=5).topics, "the topic stayed")
    broker.create_topic(topic, partitions=2)
    produce(broker, topic, b'"after"', partition=0)
    update_source(source, params={**source.params, "group_id": "anew"})
    with runner():
        events = wait_for_events(source.space, 2)
    assert [event.data for event in events] == ["before", "after"]
    assert events[1].event_id.startswith(f"src:{topic}-0-0-")


def test_latest_begins_now_and_then_misses_nothing_while_nobody_reads(
    broker: KafkaBroker, connector: Connector, topic: str
) -> None:
    produce(broker, topic, b'"before"', b'"before"')
    source = make_source(connector, topics=[topic])
    with runner():
        wait_for_status(source, "connected")
        wait_until(lambda: committed(broker, group_of(source), topic) == 2, "no beginning was committed")
    produce(broker, topic, b'"while nobody reads"')
    with runner():
        events = wait_for_events(source.space, 1)
    assert [event.data for event in events] == ["while nobody reads"]


def test_patterns_read_topics_that_come_later(broker: KafkaBroker, connector: Connector) -> None:
    broker.create_topic("many-a", partitions=2)
    source = make_source(connector, topics=["^many-.*"], offset_reset="earliest")
    produce(broker, "many-a", b"1")
    with runner():
        wait_for_events(source.space, 1)
        broker.create_topic("many-b", partitions=2)
        produce(broker, "many-b", b"2")
        events = wait_for_events(source.space, 2)
    assert {event.data for event in events} == {1, 2}


def test_a_pattern_that_fits_nothing_yet_is_told_of_until_a_topic_comes(
    broker: KafkaBroker, connector: Connector
) -> None:
    source = make_source(connector, topics=["^later-.*", "^never-.*"], offset_reset="earliest")
    with runner():
        wait_for_status(source, "disconnected")
        assert source.status_reason == "permanent_4xx"
        assert "none that fits the pattern" in source.status_detail
        broker.create_topic("later-a", partitions=1)
        produce(broker, "later-a", b"1")
        wait_for_events(source.space, 1)
        wait_for_status(source, "connected")


def test_a_pattern_leaves_out_the_clusters_own_topics(broker: KafkaBroker, connector: Connector, topic: str) -> None:
    source = make_source(
        connector, topics=[f"^({topic}|__consumer_offsets)$"], offset_reset="earliest", format="base64"
    )
    with runner():
        for number in range(1, 4):
            produce(broker, topic, b"1")
            wait_for_events(source.space, number)
            # Its own commit is a record of an internal topic, which came before the next of this one.
            wait_until(partial(_has_committed, broker, source, topic, number), "nothing was committed")
        events = wait_for_events(source.space, 3)
    assert [event.extensions["kafkatopic"] for event in events] == [topic] * 3


def _has_committed(broker: KafkaBroker, source: Source, topic: str, number: int) -> bool:
    return committed(broker, group_of(source), topic) == number


def test_a_topic_of_the_clusters_own_is_read_by_its_exact_name(
    broker: KafkaBroker, connector: Connector, topic: str
) -> None:
    produce(broker, topic, b"1")
    reading = earliest(connector, topic)
    internal = make_source(
        connector, "internal", topics=["__consumer_offsets"], offset_reset="earliest", format="base64"
    )
    with runner():
        wait_for(reading, lambda row: row.accepted_count == 1, "the record was not read")
        wait_for(internal, lambda row: row.accepted_count >= 1, "the internal topic was not read")


def test_each_source_makes_its_own_events_of_one_topic(broker: KafkaBroker, connector: Connector, topic: str) -> None:
    produce(broker, topic, b"1", b"2", b"3")
    sources = [make_source(connector, name, topics=[topic], offset_reset="earliest") for name in ("one", "two")]
    with runner():
        for source in sources:
            wait_for(source, lambda row: row.accepted_count == 3, "another source's events took their place")
        events = wait_for_events(sources[0].space, 6)
    assert {event.event_id.partition(":")[0] for event in events} == {"one", "two"}
    assert {event.source for event in events} == {f"kafka://{connector.public_id}/{topic}"}


def test_a_cloud_event_is_the_same_event_to_every_source(broker: KafkaBroker, connector: Connector, topic: str) -> None:
    produce(broker, topic, b'{"specversion": "1.0", "id": "1", "source": "/s", "type": "a.b"}')
    sources = [
        make_source(connector, name, topics=[topic], offset_reset="earliest", format="cloudevents")
        for name in ("one", "two")
    ]
    with runner():
        for source in sources:
            wait_for(source, lambda row: row.accepted_count + row.duplicate_count == 1, "it was not read")
    assert sorted(source.duplicate_count for source in sources) == [0, 1]


def test_a_user_without_the_right_to_read_is_told_what_it_lacks(space: Space, broker: KafkaBroker, topic: str) -> None:
    config = {"bootstrap_servers": broker.sasl, "auth": "scram_sha_512", "username": STRANGER}
    connector = make_connector_of(space, "kafka", {"password": STRANGER_PASSWORD}, **config)
    group = f"of-{topic}"
    source = earliest(connector, topic, group_id=group)
    with runner():
        allow(broker, ResourceType.TOPIC, topic)
        wait_for(source, lambda row: row.status_detail.startswith("group_id: "), "the group is not told of")
        assert (source.status, source.status_reason) == ("disconnected", "permanent_4xx")
        assert "does not allow this user to read" in source.status_detail
        allow(broker, ResourceType.GROUP, group)
        wait_for_status(source, "connected")


def allow(broker: KafkaBroker, kind: Any, name: str) -> None:
    """Let the stranger read this."""
    rule = AclBinding(
        kind, name, ResourcePatternType.LITERAL, f"User:{STRANGER}", "*", AclOperation.READ, AclPermissionType.ALLOW
    )
    with AdminClient({"bootstrap.servers": broker.plain, "log_level": 0}) as admin:
        admin.create_acls([rule])[rule].result(30)
