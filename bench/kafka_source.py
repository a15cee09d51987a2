"""Events in from Kafka, out over HTTP: ``python -m bench.kafka_source`` starts everything and prints one table.

Records of some 300 bytes, each a CloudEvent, stand in a topic of a real broker. Sources read them, each event meets ten
rules, one of which matches, and goes to an HTTP sink. The time runs from the first record that is produced until the
last delivery is recorded. What does not arrive, or is not recorded exactly once, fails the run.
"""

import argparse
import json
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import Producer

from bench import installations
from bench.accounting import cpu_seconds
from bench.ledger import SWITCHYARD, SWITCHYARD_FAILURES, Ledger
from bench.load import LoadFailed, event
from bench.measure import CountsDiffer
from bench.sink import Sink
from bench.table import Figure, Row, machine, render
from tests.kafka_broker import KAFKA, KafkaBroker, kafka_broker
from tests.servers import ServerFault, Switchyard, fresh_database

PARTITIONS = 6
WARM_UP = 5_000  # records
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 30.0  # without one more delivery
BODY = '{"id": {{ event.id }}, "site": {{ event.data.site }}, "temperature": {{ event.data.temperature }}}'


@dataclass(frozen=True, slots=True)
class In:
    """A running installation that reads a topic; ``processes`` are the ids of each part."""

    broker: KafkaBroker
    topic: str
    sink: Sink
    ledger: Ledger
    processes: Mapping[str, list[int]]


def main() -> int:
    """Run, print the table, and return the exit status."""
    options = _options()
    rows: list[Row] = []
    versions: list[str] = []
    try:
        with installations.servers() as servers, kafka_broker(heap="512m") as broker, Sink() as sink:
            versions = [*servers.versions(), KAFKA]
            database = fresh_database(servers.database_url)
            with installations.switchyard(database, servers.redis_url, options.workers) as installation:
                ledger = Ledger(database, SWITCHYARD, SWITCHYARD_FAILURES)
                wired = _wire(installation, broker, sink, ledger, servers.processes(), options.sources)
                _measure(wired, "warm-up", WARM_UP)
                for number in range(options.repeats):
                    rows.append(_measure(wired, f"run-{number}", options.events))
                installation.manage("check_invariants")
    except (CountsDiffer, LoadFailed, ServerFault) as failure:
        print(f"The benchmark failed. {failure}", file=sys.stderr)
        return 1
    finally:
        print(machine(versions))
        print(
            f"{options.sources} sources processes, {options.workers} workers, {PARTITIONS} partitions. Ten rules, one "
            "match, one delivery each.\n"
        )
        print(render(rows))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.kafka_source", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--events", type=int, default=200_000, help="default: 200000")
    parser.add_argument("--repeats", type=int, default=3, help="how often it is measured; default: 3")
    parser.add_argument("--workers", type=int, default=2, help="worker processes; default: 2")
    parser.add_argument("--sources", type=int, default=1, help="processes that read; default: 1")
    return parser.parse_args()


def _wire(
    installation: Switchyard,
    broker: KafkaBroker,
    sink: Sink,
    ledger: Ledger,
    processes: Mapping[str, list[int]],
    sources: int,
) -> In:
    topic = broker.create_topic("bench", PARTITIONS)
    outlet = {"type": "http", "config": {"url": sink.url}, "params": {"body": BODY}}
    token = installations.provision(installation, outlet)
    config = {"bootstrap_servers": broker.plain}
    _post(installation, token, "connectors", {"id": "in", "name": "In", "connector_type_id": "kafka", "config": config})
    params = {"topics": [topic], "format": "cloudevents", "offset_reset": "earliest"}
    _post(installation, token, "sources", {"id": "in", "name": "In", "connector": "in", "params": params})
    reading = [installation.start_sources().pid for _ in range(sources)]
    assert installation.web is not None
    parts = {
        "sources": reading,
        "worker": [worker.pid for worker in installation.workers],
        "kafka": [broker.pid],
        **processes,
    }
    return In(broker, topic, sink, ledger, parts)


def _post(installation: Switchyard, token: str, path: str, body: Mapping[str, object]) -> None:
    request = urllib.request.Request(
        f"{installation.url}/api/v1/spaces/{installations.SPACE}/{path}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=30).close()


def _measure(wired: In, run: str, events: int) -> Row:
    """Produce records as fast as the broker takes them, and wait until the last delivery is recorded."""
    records = [json.dumps(event(run, number), separators=(",", ":")).encode() for number in range(events)]
    wired.ledger.mark()
    wired.sink.reset()
    before = {part: cpu_seconds(pids) for part, pids in wired.processes.items()}
    began = time.monotonic()
    _produce(wired, records)
    produced = time.monotonic()
    ended = _wait_until_recorded(wired, events)
    cpu = {part: cpu_seconds(pids) - before[part] for part, pids in wired.processes.items()}
    if wrong := {name: count for name, count in wired.ledger.counts().items() if count != events}:
        raise CountsDiffer(f"{events} records, but the database has {wrong}: {wired.ledger.failures()}")
    if (counts := wired.sink.counts())["events"] != events:
        raise CountsDiffer(f"{events} records, but the sink has {counts}.")
    figures = {
        "produced/s": Figure([events / (produced - began)]),
        "end to end/s": Figure([events / (ended - began)]),
    }
    figures |= {f"{part} µs": Figure([seconds * 1e6 / events]) for part, seconds in cpu.items()}
    return Row(run, "records", events, figures)


def _produce(wired: In, records: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": wired.broker.plain, "log_level": 0, "linger.ms": 20})
    for number, record in enumerate(records):
        producer.produce(wired.topic, record)
        if number % 1000 == 0:
            producer.poll(0)
        if number % 50_000 == 49_999:
            producer.flush(60)
    if producer.flush(120):
        raise LoadFailed("The broker does not take the records.")


def _wait_until_recorded(wired: In, events: int) -> float:
    """Return the instant at which all deliveries stood in the database as delivered."""
    seen, last = 0, time.monotonic()
    while True:
        delivered = wired.ledger.count("delivered")
        now = time.monotonic()
        if delivered >= events:
            return now
        if delivered > seen:
            seen, last = delivered, now
        elif now - last > PATIENCE_SECONDS:
            raise CountsDiffer(f"No progress for {PATIENCE_SECONDS:.0f} s: {wired.ledger.counts()}.")
        # Counting costs the database time that is being measured: seldom far from the end, often near it.
        time.sleep(POLL_SECONDS if events - delivered < 20_000 else 1.0)


if __name__ == "__main__":
    sys.exit(main())
