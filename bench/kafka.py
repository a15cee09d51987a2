"""Events in over HTTP, out to Kafka: ``python -m bench.kafka`` starts everything on this machine and prints one table.

Each event of some 300 bytes meets ten rules, one of which matches, and goes as a whole to a topic of a real broker,
with acks=all. A consumer counts what is there: an event that is missing or there twice fails the run, and so does one
that the database does not record exactly once.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from bench import installations
from bench.accounting import cpu_seconds
from bench.ledger import SWITCHYARD, SWITCHYARD_FAILURES, Ledger
from bench.load import LoadFailed, Target, event_id, requests_of, send_all
from bench.measure import CountsDiffer
from bench.table import Figure, Row, machine, render
from tests.kafka_broker import KAFKA, KafkaBroker, kafka_broker
from tests.servers import ServerFault, Switchyard, fresh_database

PARTITIONS = 6
WARM_UP = 5_000  # events
CONNECTIONS = 4
POLL_SECONDS = 0.05
PATIENCE_SECONDS = 30.0  # without one more delivery


@dataclass(frozen=True, slots=True)
class Out:
    """A running installation whose events go to topics of a broker; ``processes`` are the ids of each part."""

    target: Target
    broker: KafkaBroker
    ledger: Ledger
    processes: Mapping[str, list[int]]
    topic: str


def main() -> int:
    """Run, print the table, and return the exit status."""
    options = _options()
    rows: list[Row] = []
    versions: list[str] = []
    try:
        with installations.servers() as servers, kafka_broker(heap="512m") as broker:
            versions = [*servers.versions(), KAFKA]
            database = fresh_database(servers.database_url)
            with installations.switchyard(database, servers.redis_url, options.workers) as installation:
                ledger = Ledger(database, SWITCHYARD, SWITCHYARD_FAILURES)
                out = _wire(installation, broker, ledger, servers.processes(), options.compression)
                _say("warm-up")
                _measure(out, "warm-up", WARM_UP, options.batch)
                for number in range(options.repeats):
                    _say(f"{options.events} events, {number + 1} of {options.repeats}")
                    rows.append(_measure(out, f"run-{number}", options.events, options.batch))
                _check_topic(out, {"warm-up": WARM_UP} | {row.pipeline: row.events for row in rows})
                installation.manage("check_invariants")
    except (CountsDiffer, LoadFailed, ServerFault) as failure:
        print(f"The benchmark failed. {failure}", file=sys.stderr)
        return 1
    finally:
        print(machine(versions))
        print(
            f"{options.workers} workers, {PARTITIONS} partitions, acks=all. Ten rules, one match, one message each.\n"
        )
        print(render(rows))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.kafka", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=200_000, help="default: 200000")
    parser.add_argument("--batch", type=int, default=500, help="events a request; default: 500")
    parser.add_argument("--repeats", type=int, default=3, help="how often it is measured; default: 3")
    parser.add_argument("--workers", type=int, default=2, help="worker processes; default: 2")
    parser.add_argument("--compression", default="none", help="of Kafka's batches; default: none")
    return parser.parse_args()


def _wire(
    installation: Switchyard, broker: KafkaBroker, ledger: Ledger, processes: Mapping[str, list[int]], compression: str
) -> Out:
    topic = broker.create_topic("bench", PARTITIONS)
    outlet = {
        "type": "kafka",
        "config": {"bootstrap_servers": broker.plain, "compression": compression},
        "params": {"topic": topic, "key": "{{ event.data.device }}", "value": "{{ event }}"},
    }
    token = installations.provision(installation, outlet)
    assert installation.web is not None
    assert installation.beat is not None
    parts = {
        "web": [installation.web.pid],
        "worker": [worker.pid for worker in installation.workers],
        "beat": [installation.beat.pid],
        "kafka": [broker.pid],
        **processes,
    }
    target = Target(installation.port, f"/api/v1/spaces/{installations.SPACE}/events", token)
    return Out(target, broker, ledger, parts, topic)


def _measure(out: Out, run: str, events: int, batch: int) -> Row:
    """Send events as fast as they are taken in, and wait until the last delivery is recorded."""
    requests = requests_of(out.target, run, events, batch)
    out.ledger.mark()
    before = {part: cpu_seconds(pids) for part, pids in out.processes.items()}
    sent = send_all(out.target, requests, CONNECTIONS)
    recorded = _wait_until_recorded(out, events)
    cpu = {part: cpu_seconds(pids) - before[part] for part, pids in out.processes.items()} | {"load": sent.cpu}
    if wrong := {name: count for name, count in out.ledger.counts().items() if count != events}:
        raise CountsDiffer(f"{events} events sent, but the database has {wrong}: {out.ledger.failures()}")
    figures = {
        "ingest/s": Figure([events * 1e9 / (sent.accepted - sent.started)]),
        "end to end/s": Figure([events * 1e9 / (recorded - sent.started)]),
    }
    figures |= {f"{part} µs": Figure([seconds * 1e6 / events]) for part, seconds in cpu.items()}
    return Row(run, f"batches of {batch}", events, figures)


def _wait_until_recorded(out: Out, events: int) -> int:
    """Return the instant at which all deliveries stood in the database as delivered."""
    seen, last = 0, time.monotonic()
    while True:
        delivered = out.ledger.count("delivered")
        now = time.monotonic_ns()
        if delivered >= events:
            return now
        if delivered > seen:
            seen, last = delivered, time.monotonic()
        elif time.monotonic() - last > PATIENCE_SECONDS:
            raise CountsDiffer(f"No progress for {PATIENCE_SECONDS:.0f} s: {out.ledger.counts()}.")
        # Counting costs the database time that is being measured: seldom far from the end, often near it.
        time.sleep(POLL_SECONDS if events - delivered < 20_000 else 1.0)


def _check_topic(out: Out, runs: Mapping[str, int]) -> None:
    """Raise CountsDiffer unless the topic holds every event of the runs once."""
    _say("reading the topic")
    sent = {event_id(run, number) for run, events in runs.items() for number in range(events)}
    messages = out.broker.read(out.topic, len(sent), within=300)
    found = {json.loads(message.value() or b"")["id"] for message in messages}
    if found != sent or len(messages) != len(sent):
        raise CountsDiffer(
            f"{len(sent)} events sent; the topic has {len(messages)} messages of {len(found)} events: "
            f"{len(sent - found)} are missing, {len(messages) - len(found)} are there again."
        )


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
