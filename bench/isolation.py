"""The isolation benchmark: ``python -m bench.isolation`` starts everything on this machine and prints one table.

Twenty healthy connectors are measured alone and beside one that hangs and one that drips a byte a second, by turns in
one run. Then deliveries that a connector's circuit holds go out when its receiver is back, at its configured rate.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.installations import servers
from bench.ledger import Ledger
from bench.load import EVENT_TYPE, LoadFailed, Target, requests_of, send_all
from bench.measure import CountsDiffer, Pipeline, measure_burst, measure_latency, measure_memory
from bench.provision_isolation import HEALTHY, HELD_TYPE
from bench.sink import Sink
from bench.table import Figure, Row, machine, render
from bench.troubled import Troubled
from tests.servers import ServerFault, Switchyard, fresh_database, wait_until

PARTS = ("healthy", "held")
SPACE = "bench"
BATCH = 500
TROUBLE_RATE = 20  # events a second, in one request, each of which goes to both connectors in trouble
LATENCY_RATE = 100
SETTINGS = {"NETWORK_TIMEOUT": "10", "LEASE_SECONDS": "60"}
# Deliveries to the healthy ones alone.
HEALTHY_ROWS = {
    "events": ("rules_event", f"type = '{EVENT_TYPE}'"),
    "delivered": ("actions_delivery", "state = 'delivered'"),
}


@dataclass(frozen=True, slots=True)
class Bench:
    """What runs, and the options."""

    pipeline: Pipeline
    installation: Switchyard
    troubled: Troubled
    options: argparse.Namespace

    def post(self, path: str, body: object = None) -> None:
        """Call the API of the space."""
        token = self.pipeline.target.token
        request = urllib.request.Request(
            f"{self.installation.url}/api/v1/spaces/{SPACE}/{path}",
            data=b"" if body is None else json.dumps(body).encode(),
            method="POST",
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=30).close()


def main() -> int:
    """Run, print the table, of a run that failed what there is of it, and return the exit status."""
    options = _options()
    rows: list[Row] = []
    versions: list[str] = []
    failed = False
    try:
        with servers() as at, Sink() as sink, Troubled() as troubled:
            versions = at.versions()
            with _running(fresh_database(at.database_url), at.redis_url, sink, troubled, options) as bench:
                _warm_up(bench)
                if "healthy" in options.parts:
                    rows += _healthy_ones(bench)
                if "held" in options.parts:
                    rows.append(_held_ones(bench))
                bench.installation.manage("check_invariants")
    except (CountsDiffer, LoadFailed, ServerFault) as failure:
        print(f"The benchmark failed. {failure}", file=sys.stderr)
        failed = True
    print(machine(versions))
    print(f"Medians of {options.repeats}, ± half the spread. {HEALTHY} healthy connectors, one delivery an event.\n")
    print(render(rows))
    return int(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.isolation", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="default: both")
    parser.add_argument("--events", type=int, default=20_000, help="of one burst; default: 20000")
    parser.add_argument("--latency-seconds", type=int, default=10, help="how long events come at 100/s; default: 10")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is measured; default: 3")
    parser.add_argument("--workers", type=int, default=2, help="worker processes; default: 2")
    parser.add_argument("--held", type=int, default=100_000, help="deliveries that are held; default: 100000")
    parser.add_argument("--rate", type=int, default=1_000, help="at which they go out, a second; default: 1000")
    return parser.parse_args()


@contextmanager
def _running(
    database: str, broker: str, sink: Sink, troubled: Troubled, options: argparse.Namespace
) -> Iterator[Bench]:
    with (
        tempfile.TemporaryDirectory(prefix="switchyard-bench-") as directory,
        Switchyard(
            Path(directory), database_url=database, broker_url=broker, workers=options.workers, settings=SETTINGS
        ) as installation,
    ):
        token = _provision(installation, str(options.rate), sink.url, *troubled.urls)
        target = Target(installation.port, f"/api/v1/spaces/{SPACE}/events", token)
        workers = [worker.pid for worker in installation.workers]
        ledger = Ledger(database, HEALTHY_ROWS)
        pipeline = Pipeline(f"{options.workers} workers", target, sink, ledger, {"worker": workers})
        yield Bench(pipeline, installation, troubled, options)


def _provision(installation: Switchyard, *arguments: str) -> str:
    command = [sys.executable, "-m", "bench.provision_isolation", SPACE, *arguments]
    done = subprocess.run(command, env=installation.environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerFault(f"bench.provision_isolation failed:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def _warm_up(bench: Bench) -> None:
    measure_burst(bench.pipeline, "warm-up", 4_000, BATCH)


def _healthy_ones(bench: Bench) -> list[Row]:
    """Measure the healthy connectors alone and beside those in trouble, by turns."""
    bursts: dict[bool, list[float]] = {False: [], True: []}
    waits: dict[bool, list[float]] = {False: [], True: []}
    events, paced = bench.options.events, bench.options.latency_seconds * LATENCY_RATE
    for number in range(bench.options.repeats):
        for beside in (False, True):
            print(f"{'beside trouble' if beside else 'alone'}, {number + 1}", file=sys.stderr, flush=True)
            with _trouble(bench, beside):
                burst = measure_burst(bench.pipeline, f"burst-{beside}-{number}", events, BATCH)
                latency = measure_latency(bench.pipeline, f"paced-{beside}-{number}", paced, LATENCY_RATE)
            bursts[beside].append(burst.end_to_end)
            waits[beside].append(latency.p95)
    rows = []
    for beside, load in ((False, "healthy, alone"), (True, "beside 1 hanging, 1 dripping")):
        figures = {"deliveries/s": Figure(bursts[beside]), "p95 ms": Figure(waits[beside], 1)}
        if beside:
            alone = Figure(bursts[False]).median, Figure(waits[False]).median
            figures["/s ratio"] = Figure([Figure(bursts[True]).median / alone[0]], 2)
            figures["p95 ratio"] = Figure([Figure(waits[True]).median / alone[1]], 2)
        rows.append(Row(bench.pipeline.name, load, events, figures))
    return rows


@contextmanager
def _trouble(bench: Bench, wanted: bool) -> Iterator[None]:
    """Send events to the connectors in trouble meanwhile, with their circuits closed at first."""
    if not wanted:
        yield
        return
    for verb in ("disable", "enable"):  # which forgets what was seen of them
        bench.post(f"connectors/_bulk_{verb}", {"ids": ["hanging", "dripping"]})
    over = threading.Event()
    sender = threading.Thread(target=_send_trouble, args=(bench, over))
    sender.start()
    try:
        time.sleep(1)
        yield
    finally:
        over.set()
        sender.join()


def _send_trouble(bench: Bench, over: threading.Event) -> None:
    about = {"specversion": "1.0", "source": "/bench", "type": "bench.trouble"}
    while not over.wait(1):
        now = time.monotonic_ns()
        bench.post("events", [{**about, "id": f"{now}-{number}"} for number in range(TROUBLE_RATE)])


def _held_ones(bench: Bench) -> Row:
    """Let deliveries pile up while their receiver is shut; open it, and see at what rate they come."""
    held, rate = bench.options.held, bench.options.rate
    print(f"{held} held deliveries", file=sys.stderr, flush=True)
    target = bench.pipeline.target
    requests = [
        request.replace(EVENT_TYPE.encode(), HELD_TYPE.encode()) for request in requests_of(target, "held", held, BATCH)
    ]
    waiting = Ledger(bench.installation.environment["DATABASE_URL"], {"waiting": ("actions_delivery", "true")})
    waiting.mark()
    send_all(target, requests, 4)
    wait_until(lambda: waiting.count("waiting") == held, "the held deliveries are made")
    before = measure_memory(bench.pipeline).resident
    bench.troubled.open()
    bench.post("connectors/shut/reconnect")
    most = before
    started = time.monotonic()
    while (arrived := len(bench.troubled.arrivals())) < held:
        if time.monotonic() - started > 60 + 3 * held / rate:
            raise CountsDiffer(f"{arrived} of {held} held deliveries arrived.")
        most = max(most, measure_memory(bench.pipeline).resident)
        time.sleep(2)
    arrivals = bench.troubled.arrivals()
    figures = {
        "deliveries/s": Figure([_settled_rate([came for _, came in arrivals])]),
        # By the sender's clock: what waits for a turn on the receiver's core comes in a burst that nobody sent.
        "most sent in a second": Figure([max(Counter(sent for sent, _ in arrivals).values())]),
        "RSS MB before": Figure([before / 1e6], 1),
        "most": Figure([most / 1e6], 1),
    }
    return Row(bench.pipeline.name, f"held, then at {rate:,}/s", held, figures)


def _settled_rate(arrivals: Sequence[int]) -> float:
    """Return arrivals a second, once the slow start is over: of the last three quarters."""
    late = arrivals[len(arrivals) // 4 :]
    return (len(late) - 1) * 1e9 / (late[-1] - late[0])


if __name__ == "__main__":
    sys.exit(main())
