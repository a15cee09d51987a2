"""`make run`: one command starts a whole installation, and one signal ends it."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import ROOT, Process, free_port, wait_until

RUNS = "Switchyard runs at"


class Run:
    """`manage.py run` on a state directory and port."""

    def __init__(self, var_dir: Path, port: int, **settings: str) -> None:
        self._environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "connectors_project.settings",
            "DATABASE_URL": "",
            "BROKER_URL": "",
            "VAR_DIR": str(var_dir),
            "PORT": str(port),
            "NETWORK_TIMEOUT": "5",
            # The embedded shape, whatever the tests themselves run on.
            **dict.fromkeys(("DATABASE_URL", "BROKER_URL", "SECRET_KEY", "SECRETS_KEYS"), ""),
            **settings,
        }
        self.url = f"http://127.0.0.1:{port}"
        self._log = var_dir.with_name(f"{port}.log")
        self.process: Process | None = None

    @property
    def output(self) -> str:
        return self._log.read_text()

    def start(self) -> Process:
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "run"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.process

    def wait_for(self, text: str) -> None:
        """Wait for a line of the output; an end of the process fails at once."""

        def came_or_ended() -> bool:
            return text in self.output or (self.process is not None and self.process.poll() is not None)

        wait_until(came_or_ended, f"{text!r} is printed", 120)
        assert text in self.output, self.output

    def fetch(self, path: str, body: bytes | None = None, token: str = "") -> str:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        with urllib.request.urlopen(urllib.request.Request(self.url + path, body, headers), timeout=10) as answer:
            return str(answer.read().decode())


@contextmanager
def running(run: Run) -> Iterator[Run]:
    process = run.start()
    try:
        run.wait_for(RUNS)
        yield run
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            # The second time it kills what does not end.
            process.terminate()
            process.wait(20)
            raise


def refused(run: Run) -> str:
    """Return what a start that must fail says."""
    assert run.start().wait(120) == 1
    assert "Traceback" not in run.output
    return run.output


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with running(Run(tmp_path_factory.mktemp("run") / "var", free_port())) as run:
        yield run


@pytest.mark.timeout(300)
def test_the_command_that_the_first_start_prints_delivers_an_event(first: Run) -> None:
    (token,) = re.findall(r"Bearer (sy_\S+)'", first.output)
    (path,) = re.findall(r"curl 'http://[^/]+(/\S+)'", first.output)
    (body,) = re.findall(r"-d '(.+)'", first.output)
    assert "accepted" in first.fetch(path, body.encode(), token)
    deliveries = path.partition("/events")[0] + "/deliveries"
    wait_until(lambda: '"delivered"' in first.fetch(deliveries, token=token), "the event is delivered")


@pytest.mark.timeout(300)
def test_the_console_is_served_with_its_styles(first: Run) -> None:
    page = first.fetch("/")
    assert "Switchyard" in page
    styles = re.findall(r'href="(/static/[^"]+\.css)"', page)
    assert styles
    for style in styles:
        assert "{" in first.fetch(style)


@pytest.mark.timeout(300)
def test_a_second_start_on_the_same_directory_is_refused(first: Run, tmp_path: Path) -> None:
    var_dir = first.output.partition("VAR_DIR=")[2].split()[0]
    link = tmp_path / "var"
    link.symlink_to(var_dir)
    assert "already runs on" in refused(Run(link, free_port()))


@pytest.mark.timeout(300)
def test_a_port_in_use_is_refused_with_another_one_to_take(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(Run(tmp_path / "var", port))
    assert f"Cannot listen on 127.0.0.1:{port}: Address already in use." in said
    assert f"make run PORT={port + 1}" in said


@pytest.mark.timeout(300)
def test_a_wrong_setting_is_refused_by_name(tmp_path: Path) -> None:
    said = refused(Run(tmp_path / "var", free_port(), WEB_THREADS="many"))
    assert "(switchyard.WEB_THREADS)" in said
    assert "HINT" in said


@pytest.mark.timeout(600)
def test_a_restart_is_graceful_and_shows_no_secret(tmp_path: Path) -> None:
    var_dir = tmp_path / "var"
    with running(Run(var_dir, free_port())) as once:
        once.wait_for("Worker is ready")
    assert once.process is not None
    assert once.process.returncode == 0
    (password,) = re.findall(r"Password\s+(\S+)", once.output)
    with running(Run(var_dir, free_port())) as again:
        again.wait_for("Worker is ready")
    assert again.process is not None
    assert again.process.returncode == 0
    assert password not in again.output
    assert "sy_" not in again.output


@pytest.mark.timeout(300)
def test_a_web_process_that_is_killed_comes_back(tmp_path: Path) -> None:
    with running(Run(tmp_path / "var", free_port())) as run:
        assert run.process is not None
        os.kill(child_of(run.process, "granian"), signal.SIGKILL)
        run.wait_for("web     | ended (killed by SIGKILL)")
        wait_until(lambda: answers(run), "the web process answers again")


def child_of(process: Process, name: str) -> int:
    """Return the id of the child process whose command line names ``name``."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (child,) = [pid for pid in children if name in Path(f"/proc/{pid}/cmdline").read_text()]
    return int(child)


def answers(run: Run) -> bool:
    try:
        return run.fetch("/healthz") == "ok\n"
    except OSError:
        return False
