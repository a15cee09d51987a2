"""One run: which pipelines, under which loads, how often; it gathers the rows of the table."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TypeVar

from bench import installations
from bench.installations import Servers
from bench.measure import Burst, Pipeline, measure_burst, measure_latency, measure_memory
from bench.sink import Sink
from bench.table import Figure, Row

LATENCY_RATE = 50  # events a second
MEMORY_EVENTS = (20_000, 200_000)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. ``loads`` gives the events of each batch size, ``naive_events`` those of the naive pipeline."""

    pipelines: Sequence[str]
    loads: Mapping[int, int]
    naive_events: int
    latency_seconds: int
    repeats: int
    workers: int
    cpu: bool
    memory: bool


@dataclass(slots=True)
class Benchmark:
    """A run of the plan. ``rows`` are the results so far, ``versions`` name the servers under test."""

    plan: Plan
    sink: Sink
    rows: list[Row] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    _naive: float = 0.0

    def run(self) -> None:
        """Measure every pipeline of the plan, the naive one first, for the ratios."""
        wanted = self.plan.pipelines
        if self.plan.memory or set(wanted) & {"naive", "postgresql"}:
            with installations.servers() as servers:
                self.versions = servers.versions()
                self._run_on(servers)
        if "sqlite" in wanted:
            self._measure_switchyard(installations.switchyard_embedded(self.sink))

    def _run_on(self, servers: Servers) -> None:
        def switchyard() -> AbstractContextManager[Pipeline]:
            return installations.switchyard_on_servers(servers, self.sink, self.plan.workers)

        if "naive" in self.plan.pipelines:
            self._measure_naive(installations.naive(servers, self.sink))
        if "postgresql" in self.plan.pipelines:
            self._measure_switchyard(switchyard())
        if self.plan.memory:
            self._measure_memory(switchyard())

    def _measure_naive(self, installation: AbstractContextManager[Pipeline]) -> None:
        with installation as pipeline:
            _warm_up(pipeline, {1: 100})
            bursts = self._add_bursts(pipeline, 1, self.plan.naive_events)
            self._naive = Figure([burst.end_to_end for burst in bursts]).median

    def _measure_switchyard(self, installation: AbstractContextManager[Pipeline]) -> None:
        with installation as pipeline:
            _warm_up(pipeline, {500: 2_000, 1: 500})
            for batch, events in self.plan.loads.items():
                self._add_bursts(pipeline, batch, events)
            self._add_latency(pipeline)

    def _measure_memory(self, installation: AbstractContextManager[Pipeline]) -> None:
        """Fill a fresh installation step by step."""
        with installation as pipeline:
            sent, first = 0, 0
            for events in MEMORY_EVENTS:
                _say(f"{pipeline.name}: memory after {events} events")
                measure_burst(pipeline, f"memory-{events}", events - sent, 500)
                sent, held = events, measure_memory(pipeline)
                first = first or held.resident
                figures = {
                    "workers RSS MB": Figure([held.resident / 1e6], 1),
                    "private MB": Figure([held.private / 1e6], 1),
                    "growth": Figure([held.resident / first], 2),
                }
                self.rows.append(Row(pipeline.name, "memory after", events, figures))

    def _add_bursts(self, pipeline: Pipeline, batch: int, events: int) -> list[Burst]:
        load = "singles" if batch == 1 else f"batches of {batch}"
        bursts = self._repeat(
            f"{pipeline.name}: {load}",
            lambda number: measure_burst(pipeline, f"burst-{batch}-{number}", events, batch),
        )
        end_to_end = Figure([burst.end_to_end for burst in bursts])
        figures = {"ingest/s": Figure([burst.ingest for burst in bursts]), "end to end/s": end_to_end}
        if self._naive:
            figures["x naive"] = Figure([end_to_end.median / self._naive], 1)
        if self.plan.cpu:
            figures |= {f"{part} µs": Figure([burst.cpu[part] for burst in bursts]) for part in bursts[0].cpu}
        self.rows.append(Row(pipeline.name, load, events, figures))
        return bursts

    def _add_latency(self, pipeline: Pipeline) -> None:
        load, events = f"singles at {LATENCY_RATE}/s", LATENCY_RATE * self.plan.latency_seconds
        latencies = self._repeat(
            f"{pipeline.name}: {load}",
            lambda number: measure_latency(pipeline, f"latency-{number}", events, LATENCY_RATE),
        )
        figures = {
            "p50 ms": Figure([latency.p50 for latency in latencies], 1),
            "p95 ms": Figure([latency.p95 for latency in latencies], 1),
            "p99 ms": Figure([latency.p99 for latency in latencies], 1),
        }
        self.rows.append(Row(pipeline.name, load, events, figures))

    def _repeat(self, what: str, measure: Callable[[int], Result]) -> list[Result]:
        results = []
        for number in range(self.plan.repeats):
            _say(f"{what}, {number + 1} of {self.plan.repeats}")
            results.append(measure(number))
        return results


def _warm_up(pipeline: Pipeline, loads: Mapping[int, int]) -> None:
    _say(f"{pipeline.name}: warm-up")
    for batch, events in loads.items():
        measure_burst(pipeline, f"warm-up-{batch}", events, batch)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
