"""Processes that read sources: killed, stopped, and two at a time, with PostgreSQL, Kafka and mosquitto."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer

from connectors.net.mqtt import MqttClient, Session
from connectors.net.urls import Origin
from tests.kafka_broker import KafkaBroker
from tests.mosquitto import mosquitto
from tests.servers import Process, RedisServer, Switchyard, kill, wait_until

pytestmark = pytest.mark.timeout(600)

RECORDS = 20_000
MESSAGES = 5_000


class Installation:
    """A running installation without workers, and what it has taken in."""

    def __init__(self, switchyard: Switchyard, database_url: str) -> None:
        self.switchyard = switchyard
        self._database_url = database_url
        self._token = switchyard.api_key()

    def call(self, method: str, path: str, **body: Any) -> Any:
        request = urllib.request.Request(
            f"{self.switchyard.url}/api/v1/spaces/default/{path}",
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def events(self, type_: str) -> int:
        with psycopg.connect(self._database_url) as connection:
            found = connection.execute("SELECT count(*) FROM rules_event WHERE type = %s", [type_]).fetchone()
        assert found
        return int(found[0])

    def wait_for_status(self, source: str, status: str) -> None:
        wait_until(lambda: self.call("GET", f"sources/{source}")["status"] == status, f"{source} is not {status}")


@pytest.fixture
def installation(tmp_path: Path, database_url: str, broker: RedisServer) -> Iterator[Installation]:
    with Switchyard(tmp_path, database_url=database_url, broker_url=broker.url, workers=0) as switchyard:
        yield Installation(switchyard, database_url)


def make_kafka_source(installation: Installation, kafka: KafkaBroker, topic: str) -> None:
    config = {"bootstrap_servers": kafka.plain}
    installation.call("POST", "connectors", id="kafka", name="Kafka", connector_type_id="kafka", config=config)
    params = {"topics": [topic], "offset_reset": "earliest"}
    installation.call("POST", "sources", id="records", name="Records", connector="kafka", params=params)


def produce(kafka: KafkaBroker, topic: str, number: int) -> None:
    producer = Producer({"bootstrap.servers": kafka.plain, "log_level": 0, "linger.ms": 5})
    for each in range(number):
        producer.produce(topic, b'{"number": %d}' % each)
        if each % 1000 == 0:
            producer.poll(0)
    assert producer.flush(120) == 0


def test_processes_that_are_killed_lose_nothing_and_double_nothing(
    installation: Installation, kafka: KafkaBroker
) -> None:
    topic = kafka.create_topic(partitions=4)
    make_kafka_source(installation, kafka, topic)
    producing = threading.Thread(target=produce, args=(kafka, topic, RECORDS))
    producing.start()
    for part in (0.1, 0.3, 0.5):
        process = installation.switchyard.start_sources()
        wait_until(lambda part=part: installation.events("kafka.record") >= RECORDS * part, "nothing comes in")  # type: ignore[misc]  # mypy cannot see a lambda's default
        kill(process)
        installation.switchyard.sources.remove(process)
    producing.join()
    installation.switchyard.start_sources()
    wait_until(lambda: installation.events("kafka.record") >= RECORDS, "records are missing")
    wait_until(lambda: installation.call("GET", "sources/records")["lag"] == 0, "it does not come to an end")
    assert installation.events("kafka.record") == RECORDS
    with psycopg.connect(installation._database_url) as connection:
        numbers = connection.execute(
            "SELECT count(DISTINCT data->'number') FROM rules_event WHERE type = 'kafka.record'"
        ).fetchone()
    assert numbers == (RECORDS,)


def test_two_processes_share_a_topic_and_each_takes_over_from_the_other(
    installation: Installation, kafka: KafkaBroker
) -> None:
    topic = kafka.create_topic(partitions=4)
    make_kafka_source(installation, kafka, topic)
    first, second = installation.switchyard.start_sources(), installation.switchyard.start_sources()
    wait_until(lambda: len(installation.call("GET", "sources/records")["readers"]) == 2, "not both read it")
    produce(kafka, topic, 1000)
    wait_until(lambda: installation.events("kafka.record") >= 1000, "records are missing")
    stop(installation, first)
    wait_until(lambda: len(installation.call("GET", "sources/records")["readers"]) == 1, "the first is still there")
    produce(kafka, topic, 1000)
    wait_until(lambda: installation.events("kafka.record") >= 2000, "records are missing")
    assert installation.call("GET", "sources/records")["duplicate_count"] == 0
    installation.switchyard.start_sources()
    wait_until(lambda: len(installation.call("GET", "sources/records")["readers"]) == 2, "not both read it")
    kill(second)
    installation.switchyard.sources.remove(second)
    produce(kafka, topic, 1000)
    wait_until(lambda: installation.events("kafka.record") >= 3000, "records are missing")
    assert installation.events("kafka.record") == 3000


def test_a_source_that_nobody_reads_is_told_to_be_stopped(installation: Installation, kafka: KafkaBroker) -> None:
    make_kafka_source(installation, kafka, kafka.create_topic())
    process = installation.switchyard.start_sources()
    installation.wait_for_status("records", "connected")
    stop(installation, process)
    installation.wait_for_status("records", "stopped")


def test_a_process_that_is_killed_loses_no_mqtt_message_and_doubles_none_with_an_id(installation: Installation) -> None:
    switchyard = installation.switchyard
    with mosquitto(lines=("max_queued_messages 0",)) as broker:
        code = (
            "from spaces.models import Space; from tests.sources import make_connector_of, make_source; "
            "space = Space.objects.get(slug='default'); "
            f"connector = make_connector_of(space, 'mqtt', server='127.0.0.1:{broker.port}'); "
            "make_source(connector, 'readings', topics=['killed'], event_id='{{ message.value.number }}')"
        )
        switchyard.manage("shell", "-c", code)
        process = switchyard.start_sources()
        installation.wait_for_status("readings", "connected")
        publishing = threading.Thread(target=publish, args=(broker.port, MESSAGES))
        publishing.start()
        for part in (0.1, 0.4):
            wait_until(lambda part=part: installation.events("mqtt.message") >= MESSAGES * part, "nothing comes in")  # type: ignore[misc]  # mypy cannot see a lambda's default
            kill(process)
            switchyard.sources.remove(process)
            process = switchyard.start_sources()
        publishing.join()
        wait_until(lambda: installation.events("mqtt.message") >= MESSAGES, "messages are missing")
        assert installation.events("mqtt.message") == MESSAGES


def publish(port: int, number: int) -> None:
    published: set[int] = set()
    origin = Origin("mqtt", "127.0.0.1", port)
    client = MqttClient(Session(origin, ""), on_published=lambda packet, _: published.add(packet))
    client.connect(10)
    for start in range(0, number, 100):
        packets = {client.publish("killed", b'{"number": %d}' % each, 1) for each in range(start, start + 100)}
        while not packets <= published:
            client.pump(0.1)
        published.clear()


def stop(installation: Installation, process: Process) -> None:
    """Ask a process to end, which it must in order and soon."""
    process.terminate()
    assert process.wait(30) == 0
    installation.switchyard.sources.remove(process)
