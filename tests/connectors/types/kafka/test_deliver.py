"""Deliveries over the mock cluster: what becomes of a message, and of the producer that carries it."""

import threading
import time
from collections.abc import Iterator

import pytest

from connectors.outcomes import Outcome, Reason
from connectors.types.base import Message, Paced
from connectors.types.kafka.connector import KafkaConnectorType
from connectors.types.kafka.links import Links
from connectors.types.kafka.schemas import KafkaParams
from connectors.types.kafka.sending import Sending
from tests.connectors.types.kafka.conftest import connect, messages, send
from tests.kafka_mock import MockCluster, fail_for_good

NOT_LEADER, LARGE, DENIED, INVALID_TOPIC, LIST_LARGE = 6, 10, 29, 17, 18
POLICY, BAD_TIME, NOT_ENOUGH, BAD_RECORD, ACKS, COMPRESSION = 44, 32, 19, 87, 21, 76


@pytest.fixture
def links() -> Iterator[Links]:
    links = Links()
    yield links
    links.close()


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_compression_arrives(shared: MockCluster, compression: str) -> None:
    topic = shared.create_topic()
    outcomes = send(connect(shared.servers, compression=compression), messages(topic, 50, value="x" * 500))
    assert {outcome.reason for outcome in outcomes} == {Reason.OK}
    assert len(shared.read(topic, 50)) == 50


@pytest.mark.parametrize("acks", ["all", "leader", "none"])
def test_every_acknowledgement_gives_an_outcome(shared: MockCluster, acks: str) -> None:
    topic = shared.create_topic()
    outcomes = send(connect(shared.servers, acks=acks, idempotence=False), messages(topic, 3))
    assert {outcome.reason for outcome in outcomes} == {Reason.OK}
    assert len(shared.read(topic, 3)) == 3


@pytest.mark.parametrize(
    ("code", "reason", "begins"),
    [
        (LARGE, Reason.TOO_LARGE, "The message is larger"),
        (LIST_LARGE, Reason.TOO_LARGE, "The batch is larger"),
        (DENIED, Reason.PERMANENT_4XX, "topic: "),
        (INVALID_TOPIC, Reason.TEMPLATE_ERROR, "topic: "),
        (BAD_TIME, Reason.TEMPLATE_ERROR, "timestamp: "),
        (BAD_RECORD, Reason.TEMPLATE_ERROR, "key: "),
        (POLICY, Reason.PERMANENT_4XX, ""),
        (ACKS, Reason.BAD_CONFIG, ""),
        (COMPRESSION, Reason.BAD_CONFIG, ""),
    ],
)
def test_what_the_broker_refuses_has_its_reason(cluster: MockCluster, code: int, reason: Reason, begins: str) -> None:
    topic = cluster.create_topic()
    cluster.refuse(code)
    (outcome,) = send(connect(cluster.servers, idempotence=False), messages(topic))
    assert outcome.reason is reason, outcome
    assert outcome.detail.startswith(begins)
    assert outcome.response["error"]


def test_what_passes_by_itself_is_tried_again_within_the_same_try(cluster: MockCluster) -> None:
    topic = cluster.create_topic()
    cluster.refuse(NOT_LEADER, NOT_LEADER)
    (outcome,) = send(connect(cluster.servers), messages(topic))
    assert outcome.reason is Reason.OK, outcome
    assert len(cluster.read(topic, 1)) == 1


def test_a_message_above_the_connectors_limit_is_not_sent(shared: MockCluster) -> None:
    topic = shared.create_topic()
    (outcome,) = send(connect(shared.servers, max_message_size=1000), messages(topic, value="x" * 1001))
    assert outcome.reason is Reason.TOO_LARGE


def test_a_topic_that_is_missing_is_named_and_found_once_it_is_there(
    cluster: MockCluster, links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.types.kafka.links._REMEMBERED", 0.0)
    connection = connect(cluster.servers, timeout=3)
    (outcome,) = Sending(links, connection, messages("late")).outcomes()
    assert (outcome.reason, outcome.detail.partition(":")[0]) == (Reason.PERMANENT_4XX, "topic")
    cluster.create_topic("late")
    (outcome,) = Sending(links, connection, messages("late")).outcomes()
    assert outcome.reason is Reason.OK


def test_a_topic_is_created_only_where_the_connector_says_so(cluster: MockCluster) -> None:
    (outcome,) = send(connect(cluster.servers, timeout=3), messages("unheard-of"))
    assert outcome.reason is Reason.PERMANENT_4XX
    (outcome,) = send(connect(cluster.servers, create_topics=True), messages("unheard-of"))
    assert outcome.reason is Reason.OK


def test_a_cluster_that_comes_back_is_used_again(cluster: MockCluster, links: Links) -> None:
    topic, connection = cluster.create_topic(), connect(cluster.servers, timeout=2)
    (outcome,) = Sending(links, connection, messages(topic)).outcomes()
    assert outcome.reason is Reason.OK
    cluster.stop_answering()
    (outcome,) = Sending(links, connection, messages(topic)).outcomes()
    assert outcome.reason.is_retry, outcome
    cluster.answer_again()
    deadline = time.monotonic() + 20
    while outcome.reason is not Reason.OK and time.monotonic() < deadline:
        (outcome,) = Sending(links, connection, messages(topic)).outcomes()
    assert outcome.reason is Reason.OK, outcome


@pytest.mark.parametrize(("own", "timeout"), [(None, 1.0), (1.0, 30.0)])
def test_a_try_ends_in_its_time(cluster: MockCluster, links: Links, own: float | None, timeout: float) -> None:
    topic, connection = cluster.create_topic(), connect(cluster.servers, timeout=timeout)
    message = Message(1, "msg_1", KafkaParams(topic=topic), timeout=own)
    assert [outcome.reason for outcome in Sending(links, connection, [message]).outcomes()] == [Reason.OK]
    cluster.answer_after(20)
    began = time.monotonic()
    (outcome,) = Sending(links, connection, [message]).outcomes()
    assert outcome.reason is Reason.RETRY_TIMEOUT, outcome
    assert time.monotonic() - began < 4  # librdkafka looks for what is late once a second


def test_a_producer_is_kept_while_its_connector_stays_as_it_is(shared: MockCluster, links: Links) -> None:
    with links.lend(connect(shared.servers)) as first:
        assert first.reach() is None
    with links.lend(connect(shared.servers)) as second:
        assert second is first
    with links.lend(connect(shared.servers, version=2)) as third:
        assert third is not first
    with pytest.raises(RuntimeError, match="closed"):
        first.producer.serve(0)


def test_a_producer_that_is_replaced_in_use_is_closed_after_it(shared: MockCluster, links: Links) -> None:
    with links.lend(connect(shared.servers)) as first:
        assert first.reach() is None
        with links.lend(connect(shared.servers, version=2)):
            first.producer.serve(0)
    with pytest.raises(RuntimeError, match="closed"):
        first.producer.serve(0)


def test_no_more_producers_are_kept_than_allowed(shared: MockCluster) -> None:
    links, kept = Links(most=2), []
    for number in range(4):
        with links.lend(connect(shared.servers, number)) as link:
            assert link.reach() is None
            kept.append(link)
    for link in kept[:2]:
        with pytest.raises(RuntimeError, match="closed"):
            link.producer.serve(0)
    for link in kept[2:]:
        link.producer.serve(0)
    links.close()


def test_another_producer_takes_the_place_of_one_that_failed_for_good(shared: MockCluster, links: Links) -> None:
    topic, connection = shared.create_topic(), connect(shared.servers)
    (outcome,) = Sending(links, connection, messages(topic)).outcomes()
    with links.lend(connection) as failing:
        fail_for_good(failing.producer.handle, 47)
    (outcome,) = Sending(links, connection, messages(topic)).outcomes()
    assert outcome.reason is Reason.RETRY_CONNECT, outcome
    (outcome,) = Sending(links, connection, messages(topic)).outcomes()
    assert outcome.reason is Reason.OK, outcome


def test_no_more_are_under_way_than_the_connection_says(shared: MockCluster) -> None:
    topic, pulled = shared.create_topic(), []

    def source() -> Iterator[Message[KafkaParams]]:
        for message in messages(topic, 50):
            pulled.append(message.key)
            yield message

    done = 0
    for _ in KafkaConnectorType().deliver(connect(shared.servers, limit=5), source()):
        assert len(pulled) - done <= 5
        done += 1
    assert done == 50


def test_none_is_taken_before_its_time_while_others_are_under_way(cluster: MockCluster) -> None:
    cluster.answer_after(0.2)
    topic, due, pulled, done = cluster.create_topic(), [0.0], [0], [0]

    def source() -> Iterator[Message[KafkaParams]]:
        for message in messages(topic, 5):
            assert time.monotonic() >= due[0] or pulled[0] == done[0]
            due[0] = time.monotonic() + 0.1
            pulled[0] += 1
            yield message

    paced = Paced(source(), lambda: due[0] - time.monotonic())
    for _ in KafkaConnectorType().deliver(connect(cluster.servers), paced):
        done[0] += 1
    assert done == [5]


def test_several_threads_may_use_one_connector_and_each_gets_its_own_outcomes(
    shared: MockCluster, links: Links
) -> None:
    topic, connection = shared.create_topic(), connect(shared.servers)
    found: dict[int, list[Outcome]] = {}

    def run(number: int) -> None:
        sent = [Message(number * 1000 + n, "id", KafkaParams(topic=topic)) for n in range(300)]
        found[number] = list(Sending(links, connection, sent).outcomes())

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, outcomes in found.items():
        assert sorted(outcome.key for outcome in outcomes) == [number * 1000 + n for n in range(300)]
        assert {outcome.reason for outcome in outcomes} == {Reason.OK}
