"""What a message's params become in the topic, and which params become nothing."""

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.outcomes import Reason
from connectors.types.base import Message
from connectors.types.kafka.schemas import KafkaParams
from tests.connectors.types.kafka.conftest import connect, messages, send
from tests.kafka_mock import MockCluster

# Kafka's own murmur2 of two keys, without the sign: org.apache.kafka.common.utils.UtilsTest.
MURMUR2 = {"21": -973932308 & 0x7FFFFFFF, "foobar": -790332482 & 0x7FFFFFFF}


def arrived(cluster: MockCluster, **params: Any) -> Any:
    topic = cluster.create_topic(partitions=1)
    (outcome,) = send(connect(cluster.servers), messages(topic, **params))
    assert outcome.reason is Reason.OK, outcome
    assert outcome.response == {"partition": 0, "offset": 0}
    assert outcome.request["topic"] == topic
    (found,) = cluster.read(topic, 1)
    return found


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("plain text, ü", "plain text, ü".encode()),
        ({"n": [1, None, "x"]}, b'{"n":[1,null,"x"]}'),
        (17, b"17"),
        ("", b""),
        (None, None),
    ],
)
def test_a_text_goes_as_it_is_a_value_as_json_and_null_as_none(shared: MockCluster, value: Any, sent: Any) -> None:
    assert arrived(shared, value=value).value() == sent


def test_key_and_headers_come_along_with_what_tells_duplicates_and_loops(shared: MockCluster) -> None:
    topic = shared.create_topic(partitions=1)
    params = KafkaParams(topic=topic, key="k-1", headers={"content-type": "text/plain", "ö": "ü"})
    send(connect(shared.servers), [Message(1, "msg_7", params, hop=2)])
    (found,) = shared.read(topic, 1)
    assert found.key() == b"k-1"
    assert found.headers() == [
        ("webhook-id", b"msg_7"),
        ("switchyard-hop", b"3"),
        ("content-type", b"text/plain"),
        ("ö", "ü".encode()),
    ]


@pytest.mark.parametrize("text", ["1767225600123", "2026-01-01T00:00:00.123Z", "2026-01-01T01:00:00.123+01:00"])
def test_a_timestamp_is_milliseconds_or_a_time(shared: MockCluster, text: str) -> None:
    assert arrived(shared, timestamp=text).timestamp()[1] == 1767225600123


def test_without_a_timestamp_it_is_the_time_of_sending(shared: MockCluster) -> None:
    before = datetime.now(UTC).timestamp() * 1000
    assert arrived(shared).timestamp()[1] >= int(before)


@pytest.mark.parametrize("key", MURMUR2)
def test_a_key_has_the_partition_that_kafkas_own_clients_give_it(shared: MockCluster, key: str) -> None:
    topic = shared.create_topic(partitions=7)
    outcomes = send(connect(shared.servers), messages(topic, 3, key=key))
    assert {outcome.response["partition"] for outcome in outcomes} == {MURMUR2[key] % 7}


def test_a_partition_may_be_chosen(shared: MockCluster) -> None:
    topic = shared.create_topic(partitions=7)
    (outcome,) = send(connect(shared.servers), messages(topic, key="21", partition="6"))
    assert outcome.response["partition"] == 6


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"topic": "{{ not rendered }}"}, "topic"),
        ({"partition": "first"}, "partition"),
        ({"partition": "-1"}, "partition"),
        ({"partition": "4294967296"}, "partition"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": "2026-01-01T00:00:00"}, "timestamp"),
        ({"timestamp": "1901-01-01T00:00:00Z"}, "timestamp"),
        ({"timestamp": "99999999999999999999999"}, "timestamp"),
        ({"key": "\ud800"}, "key"),
        ({"value": "\ud800"}, "value"),
        ({"value": {"x": 2**70}}, "value"),
        ({"headers": {"x": "\ud800"}}, "headers"),
        ({"headers": {"\ud800": "x"}}, "headers"),
    ],
)
def test_what_makes_no_record_names_its_field(shared: MockCluster, params: dict[str, Any], field: str) -> None:
    topic = shared.create_topic()
    bad = Message(1, "msg_1", KafkaParams.model_construct(**{**KafkaParams(topic=topic).model_dump(), **params}))
    good = messages(topic)[0]
    outcomes = {outcome.key: outcome for outcome in send(connect(shared.servers), [bad, good])}
    assert outcomes[1].reason is Reason.TEMPLATE_ERROR
    assert outcomes[1].detail.startswith(f"{field}: ")
    assert outcomes[0].reason is Reason.OK


def test_a_partition_that_the_topic_lacks_is_the_templates_fault(shared: MockCluster) -> None:
    topic = shared.create_topic(partitions=3)
    (outcome,) = send(connect(shared.servers), messages(topic, partition="3"))
    assert (outcome.reason, outcome.detail.partition(":")[0]) == (Reason.TEMPLATE_ERROR, "partition")
