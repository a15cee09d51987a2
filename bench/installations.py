"""Starts what is measured, each as a context that yields a Pipeline."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from bench.accounting import parent
from bench.ledger import NAIVE, SWITCHYARD, SWITCHYARD_FAILURES, Ledger
from bench.load import LoadFailed, Target
from bench.measure import CountsDiffer, Pipeline
from bench.sink import Sink
from tests.servers import (
    ROOT,
    STOP_SECONDS,
    Process,
    ServerFault,
    Switchyard,
    free_port,
    fresh_database,
    kill,
    postgresql,
    postgresql_version,
    redis_server,
    redis_version,
    wait_until,
)

SPACE = "bench"
NAIVE_CONCURRENCY = 2
LOG_CHARACTERS = 16000
BODY = '{"id": {{ event.id }}, "site": {{ event.data.site }}, "temperature": {{ event.data.temperature }}}'


@dataclass(frozen=True, slots=True)
class Servers:
    """PostgreSQL and Redis on this machine."""

    database_url: str
    redis_url: str

    def versions(self) -> list[str]:
        """Return their names and versions."""
        return [postgresql_version(self.database_url), redis_version(self.redis_url)]

    def processes(self) -> dict[str, list[int]]:
        """Return the process id of each, for its share of the CPU."""
        with psycopg.connect(self.database_url) as connection:
            postmaster = parent(connection.info.backend_pid)
        with redis.Redis.from_url(self.redis_url) as client:
            return {"database": [postmaster], "redis": [client.info("server")["process_id"]]}


@contextmanager
def servers() -> Iterator[Servers]:
    """Run PostgreSQL and Redis with their defaults."""
    with postgresql() as database_url, redis_server() as broker:
        yield Servers(database_url, broker.url)


@contextmanager
def switchyard_on_servers(at: Servers, sink: Sink, workers: int) -> Iterator[Pipeline]:
    """Run Switchyard on a fresh database of PostgreSQL, and Redis."""
    database = fresh_database(at.database_url)
    with switchyard(database, at.redis_url, workers) as installation:
        name = f"Switchyard, PostgreSQL + Redis, {workers} workers"
        yield _pipeline(name, installation, sink, Ledger(database, SWITCHYARD, SWITCHYARD_FAILURES), at.processes())
        installation.manage("check_invariants")


@contextmanager
def switchyard_embedded(sink: Sink) -> Iterator[Pipeline]:
    """Run Switchyard in its embedded shape: SQLite and a queue of files, one worker."""
    with switchyard("", "", 1) as installation:
        ledger = Ledger(installation.directory / "var" / "switchyard.sqlite3", SWITCHYARD, SWITCHYARD_FAILURES)
        yield _pipeline("Switchyard, SQLite, 1 worker", installation, sink, ledger, {})
        installation.manage("check_invariants")


@contextmanager
def naive(at: Servers, sink: Sink) -> Iterator[Pipeline]:
    """Run the naive pipeline on a fresh database of the same PostgreSQL, and the same Redis."""
    database, token, port = fresh_database(at.database_url), secrets.token_urlsafe(32), free_port()
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "bench.naive.settings",
        "NAIVE_DATABASE_URL": database,
        "NAIVE_BROKER_URL": at.redis_url,
        "NAIVE_SINK_URL": sink.url,
        "NAIVE_TOKEN": token,
    }
    _run(["django", "migrate", "--run-syncdb", "--verbosity", "0"], environment)
    web = ["granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--blocking-threads", "32"]
    worker = ["celery", "-A", "bench.naive.celery", "worker", "--concurrency", str(NAIVE_CONCURRENCY)]
    with ExitStack() as stack:
        log = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="switchyard-naive-"))) / "log"
        stack.enter_context(_explained(log.read_text))
        pids = {
            part: [stack.enter_context(_running(command, environment, log)).pid]
            for part, command in (("web", [*web, "bench.naive.wsgi:application"]), ("worker", worker))
        }
        # The worker need not be waited for: the warm-up does.
        wait_until(lambda: _listens(port), "the naive web process did not start")
        yield Pipeline(
            "naive, PostgreSQL + Redis, prefork 2",
            Target(port, "/events", token),
            sink,
            Ledger(database, NAIVE),
            {**pids, **at.processes()},
        )


@contextmanager
def switchyard(database_url: str, broker_url: str, workers: int) -> Iterator[Switchyard]:
    """Run an installation; what goes wrong meanwhile is told with the end of its logs."""
    with tempfile.TemporaryDirectory(prefix="switchyard-bench-") as directory:
        installation = Switchyard(Path(directory), database_url=database_url, broker_url=broker_url, workers=workers)
        with installation, _explained(installation.logs):
            yield installation


def _pipeline(
    name: str, installation: Switchyard, sink: Sink, ledger: Ledger, processes: dict[str, list[int]]
) -> Pipeline:
    outlet = {"type": "http", "config": {"url": sink.url}, "params": {"body": BODY}}
    token = provision(installation, outlet)
    assert installation.web is not None
    assert installation.beat is not None
    return Pipeline(
        name,
        Target(installation.port, f"/api/v1/spaces/{SPACE}/events", token),
        sink,
        ledger,
        {
            "web": [installation.web.pid],
            "worker": [worker.pid for worker in installation.workers],
            "beat": [installation.beat.pid],
            **processes,
        },
    )


def provision(installation: Switchyard, outlet: Mapping[str, object]) -> str:
    """Put the benchmark's objects into an installation; return an API key of its space. See bench.provision."""
    return _run(["bench.provision", SPACE, json.dumps(outlet)], installation.environment).strip()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _explained(logs: Callable[[], str]) -> Iterator[None]:
    """Add what the processes logged to a failure."""
    try:
        yield
    except (CountsDiffer, LoadFailed, ServerFault) as failure:
        raise ServerFault(f"{failure}\nThe end of the logs:\n{logs()[-LOG_CHARACTERS:]}") from failure


def _run(module: list[str], environment: Mapping[str, str]) -> str:
    command = [sys.executable, "-m", *module]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerFault(f"{module[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def _running(module: list[str], environment: Mapping[str, str], log: Path) -> Iterator[Process]:
    command = [sys.executable, "-m", *module]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            kill(process)
