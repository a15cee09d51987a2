"""The measures: bursts of load, latency at a fixed pace, memory. Each checks its counts, or raises CountsDiffer."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import quantiles

from bench.accounting import cpu_seconds, private_bytes, resident_bytes
from bench.ledger import Ledger
from bench.load import Target, event_id, requests_of, send_all, send_paced
from bench.sink import Sink

POLL_SECONDS = 0.02
# Without any arrival or record for so long, the pipeline stands still.
PATIENCE_SECONDS = 30.0
# Requests under way at once, by events a request.
CONNECTIONS = {1: 32, 50: 8, 500: 4}


class CountsDiffer(Exception):
    """Not exactly the events that were sent arrived or were recorded."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A running installation under test, and the process ids of each of its parts."""

    name: str
    target: Target
    sink: Sink
    ledger: Ledger
    processes: Mapping[str, list[int]]


@dataclass(frozen=True, slots=True)
class Burst:
    """Events per second into the pipeline, and through it until the last is recorded; CPU by part in µs an event."""

    ingest: float
    end_to_end: float
    cpu: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Latency:
    """From the instant of sending to the arrival at the sink, in milliseconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident and private bytes of all workers together."""

    resident: int
    private: int


def measure_burst(pipeline: Pipeline, run: str, events: int, batch: int) -> Burst:
    """Send events as fast as the pipeline takes them, and wait until the last delivery is recorded."""
    requests = requests_of(pipeline.target, run, events, batch)
    _begin(pipeline)
    before = _cpu(pipeline)
    sent = send_all(pipeline.target, requests, CONNECTIONS.get(batch, 8))
    recorded = _wait_until_recorded(pipeline, events)
    after = _cpu(pipeline)
    check_counts(pipeline, events)
    cpu = {part: (after[part] - before[part]) * 1e6 / events for part in before}
    return Burst(
        ingest=events * 1e9 / (sent.accepted - sent.started),
        end_to_end=events * 1e9 / (recorded - sent.started),
        cpu={"load": sent.cpu * 1e6 / events, **cpu},
    )


def measure_latency(pipeline: Pipeline, run: str, events: int, per_second: float) -> Latency:
    """Send single events at a fixed pace and find when each arrived."""
    requests = requests_of(pipeline.target, run, events, 1)
    _begin(pipeline)
    instants = send_paced(pipeline.target, requests, per_second)
    _wait_until_recorded(pipeline, events)
    check_counts(pipeline, events)
    arrivals = pipeline.sink.arrivals()
    waits = [(arrivals[event_id(run, number)] - sent) / 1e6 for number, sent in enumerate(instants)]
    cuts = quantiles(waits, n=100, method="inclusive")
    return Latency(cuts[49], cuts[94], cuts[98])


def measure_memory(pipeline: Pipeline) -> Memory:
    """Return what the workers hold now."""
    workers = pipeline.processes["worker"]
    return Memory(sum(map(resident_bytes, workers)), sum(map(private_bytes, workers)))


def check_counts(pipeline: Pipeline, events: int) -> None:
    """Raise CountsDiffer unless the sink got every event and the database holds exactly one record of each kind."""
    arrived = pipeline.sink.counts()
    counts = {"events at the sink": arrived["events"], **pipeline.ledger.counts()}
    if wrong := {name: count for name, count in counts.items() if count != events}:
        raise CountsDiffer(
            f"{pipeline.name}: {events} events sent, but {wrong}; {arrived['received']} POSTs arrived. "
            f"What went wrong: {pipeline.ledger.failures()}"
        )


def _begin(pipeline: Pipeline) -> None:
    pipeline.sink.reset()
    pipeline.ledger.mark()


def _wait_until_recorded(pipeline: Pipeline, events: int) -> int:
    """Return the instant at which all deliveries stood in the database as delivered."""
    seen, last = (0, 0), time.monotonic()
    while True:
        arrived = pipeline.sink.counts()["events"]
        # The database is asked only at the end: counting costs it time that is being measured.
        delivered = pipeline.ledger.count("delivered") if arrived >= events else 0
        now = time.monotonic_ns()
        if delivered >= events:
            return now
        if (arrived, delivered) != seen:
            seen, last = (arrived, delivered), time.monotonic()
        elif time.monotonic() - last > PATIENCE_SECONDS:
            raise CountsDiffer(
                f"{pipeline.name}: no progress for {PATIENCE_SECONDS:.0f} s with {arrived} of {events} events at the "
                f"sink; the database holds {pipeline.ledger.counts()}."
            )
        time.sleep(POLL_SECONDS)


def _cpu(pipeline: Pipeline) -> dict[str, float]:
    parts = {**pipeline.processes, "sink": [pipeline.sink.pid]}
    return {part: cpu_seconds(pids) for part, pids in parts.items()}
