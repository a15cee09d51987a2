"""Real servers for tests and benchmarks: free ports of 127.0.0.1, a directory each, stopped on leaving.

A server that is not installed or does not start is a ServerFault with the end of its log, never a skip. Each leads a
process group of its own.
"""

import http.client
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import psycopg
import redis

from connectors.secrets import generate_key
from connectors_project.processes import beat_command, sources_command, web_command, worker_command
from tests import started

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120.0  # a deadline, not a wait: a loaded machine starts slowly
STOP_SECONDS = 60.0
_WEB_DEFAULTS = (("WEB_WORKERS", "1"), ("WEB_THREADS", "32"))

Process = subprocess.Popen[bytes]


class ServerFault(Exception):
    """A server is missing, did not start or did not stop."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    """Return once ``condition()`` is true; raise ServerFault naming ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ServerFault(f"Waited {seconds:.0f} s in vain: {what}.")
        time.sleep(0.02)


class PostgreSQLServer:
    """A PostgreSQL with its default durability, whose port and data outlive restart()."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        self._port = free_port()
        self._log = directory / "postgres.log"
        self._process: Process | None = None
        self.url = f"postgres://switchyard@127.0.0.1:{self._port}/postgres"
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(directory, account.pw_uid, account.pw_gid)
        options = ["-U", "switchyard", "-A", "trust", "-E", "UTF8", "--locale=C"]
        made = subprocess.run(
            [postgresql_binary("initdb"), "-D", self._directory / "data", *options],
            user=self._user,
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise ServerFault(f"initdb failed: {made.stderr}")

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-D {self._directory}/data -h 127.0.0.1 -p {self._port} -k {self._directory} -c max_connections=300"
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(postgresql_binary("postgres")), *options.split()],
                user=self._user,
                cwd=self._directory,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        _wait_for(self._process, lambda: _postgresql_answers(self.url), self._log)
        started.note(postgresql_version(self.url))

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it. SIGINT is its fast shutdown, which does not wait for clients; SIGQUIT the immediate one, a crash."""
        if self._process is not None:
            _stop(self._process, how)
            self._process = None

    def restart(self) -> None:
        """End it as a crash would, and start it again: it recovers from its log."""
        self.stop(signal.SIGQUIT)
        self.start()


@contextmanager
def postgresql() -> Iterator[str]:
    """Run PostgreSQL with its default durability; yield the URL of an empty database."""
    with postgresql_server() as server:
        yield fresh_database(server.url)


@contextmanager
def postgresql_server() -> Iterator[PostgreSQLServer]:
    """Run PostgreSQL; yield its handle."""
    with tempfile.TemporaryDirectory(prefix="switchyard-pg-", ignore_cleanup_errors=True) as directory:
        server = PostgreSQLServer(Path(directory))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def postgresql_version(url: str) -> str:
    with psycopg.connect(url) as connection:
        number = connection.info.server_version
    return f"PostgreSQL {number // 10000}.{number % 10000}"


def fresh_database(url: str) -> str:
    """Create another empty database on the server behind ``url``; return its URL."""
    name = f"switchyard_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    return urlsplit(url)._replace(path=f"/{name}").geturl()


class RedisServer:
    """A Redis without persistence, whose port outlives stop() and start()."""

    def __init__(self, directory: Path) -> None:
        self._binary = shutil.which("redis-server")
        if self._binary is None:
            raise ServerFault("redis-server is not installed. Debian: apt-get install redis-server.")
        self._port = free_port()
        self._log = directory / "redis.log"
        self._directory = directory
        self._process: Process | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        settings = f"--port {self._port} --bind 127.0.0.1 --appendonly no --dir {self._directory}".split()
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(self._binary), *settings, "--save", ""], stdout=output, stderr=output, start_new_session=True
            )
        _wait_for(self._process, self._answers, self._log)
        started.note(redis_version(self.url))

    def stop(self) -> None:
        """End it at once, as a crash would; stopping twice is allowed."""
        if self._process is not None:
            _stop(self._process, signal.SIGKILL)
            self._process = None

    def flush(self) -> None:
        """Drop all that it holds."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _answers(self) -> bool:
        with suppress(redis.ConnectionError), redis.Redis.from_url(self.url) as client:
            return bool(client.ping())
        return False


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Run Redis; yield its handle."""
    with tempfile.TemporaryDirectory(prefix="switchyard-redis-") as directory:
        server = RedisServer(Path(directory))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def redis_version(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        return f"Redis {client.info('server')['redis_version']}"


class Switchyard:
    """A whole installation as child processes: web, workers and beat, each with a log file in ``directory``.

    Without ``database_url`` and ``broker_url`` it is the embedded shape. ``settings`` are further environment
    variables.
    """

    def __init__(
        self,
        directory: Path,
        *,
        database_url: str = "",
        broker_url: str = "",
        workers: int = 1,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "connectors_project.settings",
            "VAR_DIR": str(directory / "var"),
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "SECRET_KEY": secrets.token_urlsafe(40),
            "SECRETS_KEYS": generate_key(),
            "NETWORK_ALLOWED_PRIVATE": "127.0.0.0/8",
            "PYTHONUNBUFFERED": "1",
            **(settings or {}),
        }
        self._wanted_workers = workers
        self._started = 0
        self._starting: list[tuple[Process, Callable[[], bool], Path]] = []
        self.web: Process | None = None
        self.workers: list[Process] = []
        self.beat: Process | None = None
        self.sources: list[Process] = []

    def __enter__(self) -> Self:
        self.manage("bootstrap")
        try:
            self._launch_web()
            for _ in range(self._wanted_workers):
                self._launch_worker()
            self._launch_beat()
            self._wait_for_starting()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start_web(self) -> Process:
        """Start the web process and wait until it answers."""
        process = self._launch_web()
        self._wait_for_starting()
        return process

    def start_worker(self) -> Process:
        """Start one more worker and wait until it takes work."""
        process = self._launch_worker()
        self._wait_for_starting()
        return process

    def start_beat(self) -> Process:
        """Start the scheduler and wait until it runs."""
        process = self._launch_beat()
        self._wait_for_starting()
        return process

    def start_sources(self) -> Process:
        """Start one more process that reads sources, and wait until it does."""
        launched = self._launch("sources", sources_command(), lambda log: "Sources are read" in log.read_text())
        self.sources.append(launched)
        self._wait_for_starting()
        return launched

    def manage(self, *arguments: str) -> str:
        """Run a management command of this installation; return what it prints."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerFault(f"manage.py {arguments[0]} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def api_key(self, space: str = "default") -> str:
        """Create an API key of a space; return the bearer token."""
        return self.manage("create_api_key", space).strip()

    def stop(self) -> None:
        """Stop all processes gracefully, web first; raise ServerFault when one had to be killed."""
        processes = [process for process in (self.web, *self.sources, *self.workers, self.beat) if process is not None]
        for process in processes:
            process.terminate()
        stubborn = [process for process in processes if not _ends(process)]
        self.web, self.workers, self.beat, self.sources, self._starting = None, [], None, [], []
        if stubborn:
            raise ServerFault(f"{len(stubborn)} processes did not stop within {STOP_SECONDS:.0f} s: {self.logs()}")

    def logs(self) -> str:
        """Return the logs of all processes, one after another."""
        return "\n".join(f"--- {log.name}\n{log.read_text()}" for log in sorted(self.directory.glob("*.log")))

    def _launch_web(self) -> Process:
        workers, threads = (int(self.environment.get(name, default)) for name, default in _WEB_DEFAULTS)
        command = web_command("127.0.0.1", self.port, workers, threads)
        self.web = self._launch("web", command, lambda _: self._web_answers())
        return self.web

    def _launch_worker(self) -> Process:
        process = self._launch("worker", worker_command(), lambda log: "Worker is ready" in log.read_text())
        self.workers.append(process)
        return process

    def _launch_beat(self) -> Process:
        self.beat = self._launch("beat", beat_command(), lambda log: "Scheduler is ready" in log.read_text())
        return self.beat

    def _launch(self, name: str, command: list[str], is_ready: Callable[[Path], bool]) -> Process:
        self._started += 1
        log = self.directory / f"{self._started:02}-{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )
        self._starting.append((process, partial(is_ready, log), log))
        return process

    def _wait_for_starting(self) -> None:
        while self._starting:
            _wait_for(*self._starting.pop())

    def _web_answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()


def kill(process: Process) -> None:
    """kill -9 a server and its children, and wait until it is gone."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _stop(process: Process, how: signal.Signals) -> None:
    process.send_signal(how)
    if not _ends(process):
        raise ServerFault(f"{process.args!r} did not stop within {STOP_SECONDS:.0f} s.")


def _ends(process: Process) -> bool:
    """Whether the process ends in time. One that does not is killed."""
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        kill(process)
        return False
    return True


def _wait_for(process: Process, is_ready: Callable[[], bool], log: Path) -> None:
    def ready_or_ended() -> bool:
        if process.poll() is not None:
            raise ServerFault(f"{log.stem} ended with status {process.returncode}:\n{log.read_text()[-4000:]}")
        return is_ready()

    try:
        wait_until(ready_or_ended, f"{log.stem} did not get ready")
    except ServerFault as fault:
        raise ServerFault(f"{fault}\n{log.read_text()[-4000:]}") from None


def postgresql_binary(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs; raise ServerFault when it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")) or [Path(p) for p in [shutil.which(name)] if p]
    if not found:
        raise ServerFault(f"PostgreSQL's {name} is not installed. Debian: apt-get install postgresql.")
    return found[-1]


def _postgresql_answers(url: str) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2).close()
        return True
    return False
