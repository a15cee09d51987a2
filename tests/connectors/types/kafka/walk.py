"""From an event to a record of a real Kafka, whose clients sign in over TLS."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Message

from tests.kafka_broker import KAFKA, PASSWORD, USER
from tests.services.transcripts.declared import AS_JSON, HOT, OVEN, SAYS, Arrival, Destination, Step, Surroundings, Walk


@contextmanager
def cluster(around: Surroundings) -> Iterator[Destination]:
    """Run Kafka with the topic ``ovens``."""
    with around.kafka() as broker:
        topic = broker.create_topic("ovens", partitions=1)
        config = {
            "bootstrap_servers": broker.sasl_tls,
            "auth": "scram_sha_512",
            "username": USER,
            "tls": True,
            "ca": broker.ca,
            "probe_topic": topic,
        }
        yield Destination(
            f"{KAFKA}, SCRAM-SHA-512 over TLS",
            config,
            {"password": PASSWORD},
            lambda: [_of(record) for record in broker.read(topic)],
        )


def _of(record: Message) -> Arrival:
    place = f"topic {record.topic()}, partition {record.partition()}, offset {record.offset()}"
    headers = {_text(name): _text(value) for name, value in dict(record.headers() or ()).items()}
    return Arrival(f"{place}, key {_text(record.key())}", headers, _text(record.value()))


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


WALK = Walk(
    cluster,
    AS_JSON,
    (
        Step(
            "What an oven says goes to a topic, in the order of the oven",
            HOT,
            {"topic": "ovens", "key": OVEN, "value": {"text": SAYS, "at": "{{ event.time }}"}},
            ("topic ovens", "key oven/7"),
        ),
    ),
)
