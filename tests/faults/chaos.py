"""Chaos: a whole installation under load while its parts are killed, stopped and flushed and its receiver misbehaves.

``python -m tests.faults.chaos --seconds 120 --rate 200 --seeds 1 2 3`` prints a report for each seed and fails where an
accepted event was lost, or came twice without a fault to blame.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.faults.installation import Wired
from tests.faults.load import Load
from tests.faults.scripted import MODES, ScriptedReceiver, scripted_receiver
from tests.servers import (
    PostgreSQLServer,
    Process,
    RedisServer,
    ServerFault,
    Switchyard,
    fresh_database,
    kill,
    postgresql_server,
    redis_server,
    wait_until,
)

LEASE_SECONDS: Final = 20
SETTINGS: Final = {"NETWORK_TIMEOUT": "10", "LEASE_SECONDS": str(LEASE_SECONDS), "SWEEP_SECONDS": "1", "API_RATE": "0"}
CALM: Final = (2.0, 5.0)  # seconds between two faults
_RECORDING: Final = 10.0  # seconds within which what was answered is recorded, on a machine as busy as this
_DRAIN_SECONDS: Final = 300.0


@dataclass
class Report:
    """What became of a run."""

    seed: int
    faults: list[tuple[float, str]] = field(default_factory=list)
    accepted: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    states: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    lost: list[str] = field(default_factory=list)
    duplicates: int = 0
    unexplained: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    invariants: str = ""

    @property
    def problems(self) -> list[str]:
        """Return what must not be."""
        named = {
            "lost": self.lost,
            "came twice with no fault to blame": self.unexplained,
            "came under two webhook-ids": self.renamed,
        }
        found = [f"{what}: {len(ids)}, such as {ids[:3]}" for what, ids in named.items() if ids]
        ended = self.states.get("delivered", 0) + self.states.get("dead", 0)
        if ended != self.accepted:
            found.append(f"accepted {self.accepted}, but delivered or dead {ended}")
        if "invariants hold" not in self.invariants:
            found.append("invariants are broken, or work was left over")
        return found

    def text(self) -> str:
        """Return the report for a person."""
        lines = [f"seed {self.seed}: {len(self.faults)} faults"]
        lines += [f"  {at:6.1f} s  {what}" for at, what in self.faults]
        lines += [
            f"accepted {self.accepted:,} = delivered {self.states.get('delivered', 0):,} + dead "
            f"{self.states.get('dead', 0):,} {self.dead or ''}",
            f"refused while faults lasted, and sent again: {self.refusals or 'none'}",
            f"requests to the receiver {self.requests:,}; delivered more than once {self.duplicates}, "
            f"of these without a fault {len(self.unexplained)}",
            f"lost {len(self.lost)}",
            *self.invariants.splitlines(),
            *[f"PROBLEM  {problem}" for problem in self.problems],
        ]
        return "\n".join(lines)


class Chaos:
    """One installation on servers of its own, and what can be done to it."""

    def __init__(
        self, seed: int, switchyard: Switchyard, database: PostgreSQLServer, broker: RedisServer, to: ScriptedReceiver
    ) -> None:
        self._random = random.Random(seed)
        self._switchyard = switchyard
        self._database = database
        self._broker = broker
        self._receiver = to
        self.report = Report(seed)
        self.times: list[float] = []  # of faults that can double a delivery, seconds since the epoch
        self._began = time.time()
        self._paused: list[tuple[float, Process]] = []

    def run(self, seconds: float) -> None:
        """Do one thing after another, drawn from the seed."""
        self._began = time.time()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self._random.uniform(*CALM))
            self._wake_paused()
            what = self._random.choice(self._faults())
            what()
        self.heal()

    def heal(self) -> None:
        """Let everything run again, and the receiver be well."""
        self._wake_paused(all_of_them=True)
        self._receiver.mode = "ok"

    def _faults(self) -> Sequence[Callable[[], None]]:
        return (
            self._kill_web,
            self._kill_worker,
            self._kill_worker,
            self._kill_beat,
            self._pause_worker,
            self._flush_redis,
            self._kill_redis,
            self._crash_postgresql,
            self._drop_connections,
            *[self._misbehave] * 5,
        )

    def _note(self, what: str, *, doubles: bool = True) -> None:
        now = time.time()
        self.report.faults.append((now - self._began, what))
        if doubles:
            self.times.append(now)

    def _kill_web(self) -> None:
        self._note("kill -9 web")
        assert self._switchyard.web is not None
        kill(self._switchyard.web)
        self._switchyard.start_web()

    def _kill_worker(self) -> None:
        worker = self._random.choice(self._switchyard.workers)
        if any(worker is paused for _, paused in self._paused):
            return
        self._note("kill -9 a worker")
        self._switchyard.workers.remove(worker)
        kill(worker)
        self._switchyard.start_worker()

    def _kill_beat(self) -> None:
        self._note("kill -9 a scheduler", doubles=False)
        assert self._switchyard.beat is not None
        kill(self._switchyard.beat)
        self._switchyard.start_beat()

    def _pause_worker(self) -> None:
        worker = self._random.choice(self._switchyard.workers)
        if self._paused:
            return
        self._note(f"SIGSTOP a worker for {LEASE_SECONDS + 5} s")
        os.killpg(worker.pid, signal.SIGSTOP)
        self._paused.append((time.monotonic() + LEASE_SECONDS + 5, worker))

    def _wake_paused(self, *, all_of_them: bool = False) -> None:
        for until, worker in list(self._paused):
            if all_of_them or time.monotonic() >= until:
                self._note("SIGCONT the worker")
                os.killpg(worker.pid, signal.SIGCONT)
                self._paused.remove((until, worker))

    def _flush_redis(self) -> None:
        self._note("Redis flushed", doubles=False)
        self._broker.flush()

    def _kill_redis(self) -> None:
        self._note("kill -9 Redis, back after 3 s", doubles=False)
        self._broker.stop()
        time.sleep(3)
        self._broker.start()

    def _crash_postgresql(self) -> None:
        self._note("PostgreSQL crashes and recovers")
        self._database.restart()
        self.times.append(time.time())

    def _drop_connections(self) -> None:
        self._note("every connection to PostgreSQL cut")
        with psycopg.connect(self._database.url, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")

    def _misbehave(self) -> None:
        mode = self._random.choice(MODES)
        self._note(f"the receiver: {mode}", doubles=False)
        self._receiver.mode = mode


def run_chaos(seed: int, seconds: float, rate: float) -> Report:
    """Run it; return what became of every event."""
    with tempfile.TemporaryDirectory(prefix="switchyard-chaos-") as directory, _installed(Path(directory)) as parts:
        installation, database, broker, to = parts
        chaos = Chaos(seed, installation.switchyard, database, broker, to)
        load = Load(f"{installation.switchyard.url}/api/v1/spaces/default/events", installation.token, rate)
        load.start()
        chaos.run(seconds)
        load.stop()
        _drain(installation, chaos.report)
        _judge(chaos, load, to, installation.switchyard.environment["DATABASE_URL"])
        return chaos.report


@contextmanager
def _installed(
    directory: Path,
) -> Iterator[tuple[Wired, PostgreSQLServer, RedisServer, ScriptedReceiver]]:
    with postgresql_server() as database, redis_server() as broker, scripted_receiver() as to:
        switchyard = Switchyard(
            directory,
            database_url=fresh_database(database.url),
            broker_url=broker.url,
            workers=2,
            settings=SETTINGS,
        )
        with switchyard:
            second_beat = _second_scheduler(switchyard)
            try:
                installation = Wired(switchyard, to, switchyard.api_key())  # type: ignore[arg-type]  # what settle and call need of a receiver is nothing
                _wire(installation, to)
                yield installation, database, broker, to
            finally:
                second_beat.terminate()
                second_beat.wait(60)


def _second_scheduler(switchyard: Switchyard) -> Process:
    first = switchyard.beat
    second = switchyard.start_beat()
    switchyard.beat = first
    return second


def _wire(installation: Wired, to: ScriptedReceiver) -> None:
    config = {"url": to.url, "timeout": 5}
    installation.create("connectors", id="receiver", name="Receiver", connector_type_id="http", config=config)
    installation.create("actions", id="send", name="Send", connector="receiver", params={}, max_attempts=30)
    params = {"event_types": ["chaos.*"]}
    installation.create("rules", id="all", name="All", rule_type_id="event", params=params, actions=["send"])


def _drain(installation: Wired, report: Report) -> None:
    """Let what waits for its next try be due now, again and again, until nothing waits."""
    url = installation.switchyard.environment["DATABASE_URL"]

    def settled() -> bool:
        with suppress(psycopg.OperationalError), psycopg.connect(url, autocommit=True) as connection:
            _, connector = installation.call("GET", "connectors/receiver")
            if connector["status"] != "connected":  # one that is well goes on faster and faster; let it
                installation.call("PATCH", "connectors/receiver", {"enabled": True})
                installation.call("POST", "connectors/receiver/reconnect")
            connection.execute("UPDATE actions_delivery SET due_at = now() WHERE state = 'pending' AND due_at > now()")
        try:
            report.invariants = installation.switchyard.manage("check_invariants", "--settled")
        except ServerFault as fault:
            report.invariants = str(fault)
            return False
        return True

    with suppress(ServerFault):
        wait_until(settled, "everything is delivered or dead", _DRAIN_SECONDS)


def _judge(chaos: Chaos, load: Load, to: ScriptedReceiver, database_url: str) -> None:
    report = chaos.report
    report.accepted, report.refusals = len(load.accepted), load.refusals
    rows = _outcomes(database_url)
    states = {event_id: state for event_id, state, _ in rows}
    report.states = dict(Counter(states[each] for each in load.accepted if each in states))
    report.dead = dict(Counter(reason for each, state, reason in rows if state == "dead" and each in load.accepted))
    came: dict[str, list[Any]] = {}
    for request in to.requests:
        came.setdefault(json.loads(request.body)["id"], []).append(request)
    report.requests = len(to.requests)
    report.lost = [each for each in sorted(load.accepted) if _is_lost(states.get(each), came.get(each, []))]
    report.renamed = [each for each, requests in came.items() if len({one.webhook_id for one in requests}) > 1]
    for event_id, requests in came.items():
        answered = [one for one in requests if one.answered is not None]
        if len(answered) > 1:
            report.duplicates += 1
            if not all(_can_be_blamed(chaos.times, one.arrived, one.answered) for one in answered[:-1]):
                report.unexplained.append(event_id)


def _is_lost(state: str | None, requests: list[Any]) -> bool:
    if state == "dead":
        return False
    return state != "delivered" or not any(one.answered or one.mode in ("huge", "drip_body") for one in requests)


def _can_be_blamed(faults: Sequence[float], arrived: float, answered: float) -> bool:
    """Whether a fault fell between the arrival of a request and the record of its answer."""
    return any(arrived - 1 <= fault <= answered + _RECORDING for fault in faults)


def _outcomes(database_url: str) -> list[tuple[str, str, str]]:
    """Return event id, state and last reason of each delivery of the load."""
    with psycopg.connect(database_url) as connection:
        return connection.execute(
            "SELECT e.event_id, d.state, d.last_reason FROM actions_delivery d JOIN rules_event e ON e.id = d.event_id "
            "WHERE e.source = '/chaos'"
        ).fetchall()


def main() -> int:
    """Run each seed, print its report, and return 1 where one of them has a problem."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long faults go on; default: 120")
    parser.add_argument("--rate", type=float, default=200, help="events a second; default: 200")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[random.randrange(10**6)], help="default: one by chance"
    )
    options = parser.parse_args()
    good = True
    for seed in options.seeds:
        report = run_chaos(seed, options.seconds, options.rate)
        sys.stdout.write(report.text() + "\n\n")
        sys.stdout.flush()
        good = good and not report.problems
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
