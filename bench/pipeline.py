"""The pipeline's benchmark: ``python -m bench.pipeline`` starts everything on this machine and prints one table.

Each event meets ten rules, one of which matches, and one delivery goes to an HTTP sink. Events that do not arrive, or
that the database does not record exactly once, fail the run.
"""

import argparse
import json
import sys
from pathlib import Path

from bench.benchmark import Benchmark, Plan
from bench.load import LoadFailed
from bench.measure import CountsDiffer
from bench.sink import Sink
from bench.table import machine, render
from tests.servers import ServerFault

PIPELINES = ("naive", "postgresql", "sqlite")
LOADS = {500: 40_000, 50: 10_000, 1: 5_000}
QUICK_LOADS = {500: 10_000, 50: 2_500, 1: 1_000}


def main() -> int:
    """Run, print the table, of a run that failed what there is of it, and return the exit status."""
    options = _options()
    failed = False
    with Sink() as sink:
        benchmark = Benchmark(_plan(options), sink)
        try:
            benchmark.run()
        except (CountsDiffer, LoadFailed, ServerFault) as failure:
            print(f"The benchmark failed. {failure}", file=sys.stderr)
            failed = True
    about = machine(benchmark.versions)
    print(about)
    print(f"Medians of {options.repeats}, ± half the spread. Ten rules, one match, one delivery an event.\n")
    print(render(benchmark.rows))
    if options.json and not failed:
        rows = [row.as_json() for row in benchmark.rows]
        options.json.write_text(json.dumps({"machine": about, "rows": rows}, indent=2) + "\n")
    return int(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a quarter of the events, measured once")
    parser.add_argument("--pipelines", nargs="*", choices=PIPELINES, default=PIPELINES, help="default: all")
    parser.add_argument(
        "--loads", nargs="+", type=_load, metavar="BATCH:EVENTS", help="default: 500:40000 50:10000 1:5000"
    )
    parser.add_argument("--naive-events", type=int, help="default: 2000")
    parser.add_argument("--latency-seconds", type=int, help="how long events come at 50/s; default: 20")
    parser.add_argument("--repeats", type=int, help="how often each is measured; default: 3")
    parser.add_argument("--workers", type=int, default=2, help="worker processes on PostgreSQL; default: 2")
    parser.add_argument("--cpu", action="store_true", help="show the CPU of every part, in µs an event")
    parser.add_argument("--memory", action="store_true", help="measure the workers after 20,000 and 200,000 events")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    quick = options.quick
    options.loads = dict(options.loads) if options.loads else QUICK_LOADS if quick else LOADS
    options.naive_events = options.naive_events or (300 if quick else 2_000)
    options.latency_seconds = options.latency_seconds or (5 if quick else 20)
    options.repeats = options.repeats or (1 if quick else 3)
    return options


def _load(text: str) -> tuple[int, int]:
    batch, _, events = text.partition(":")
    return int(batch), int(events)


def _plan(options: argparse.Namespace) -> Plan:
    return Plan(
        pipelines=options.pipelines,
        loads=options.loads,
        naive_events=options.naive_events,
        latency_seconds=options.latency_seconds,
        repeats=options.repeats,
        workers=options.workers,
        cpu=options.cpu,
        memory=options.memory,
    )


if __name__ == "__main__":
    sys.exit(main())
