"""`manage.py run` keeps its processes alive and ends them in order."""

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from connectors_project.supervisor import KeepsDying, Supervisor
from tests.servers import wait_until

SLEEP = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP
DYING = "import sys; print('up', flush=True); sys.exit(3)"


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


class Running:
    """A supervisor at work in a thread of its own."""

    def __init__(self, supervisor: Supervisor, output: io.StringIO) -> None:
        self.supervisor = supervisor
        self._output = output
        self.error: KeepsDying | None = None
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.supervisor.run()
        except KeepsDying as error:
            self.error = error

    @property
    def lines(self) -> list[str]:
        return self._output.getvalue().splitlines()

    def wait_for_line(self, line: str, times: int = 1) -> None:
        wait_until(lambda: self.lines.count(line) >= times, f"{times} x {line!r} in {self.lines}")


@contextmanager
def supervised(commands: dict[str, list[str]], stop_seconds: float = 10, pause: float = 0.01) -> Iterator[Running]:
    output = io.StringIO()
    running = Running(Supervisor(commands, stop_seconds=stop_seconds, pause=pause, output=output), output)
    running.thread.start()
    try:
        yield running
    finally:
        running.supervisor.stop()
        running.supervisor.stop()
        running.thread.join(30)


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    return False


def test_each_line_names_the_process_it_comes_from() -> None:
    with supervised({"web": python(SLEEP), "worker": python(SLEEP)}) as running:
        running.wait_for_line("web    | up")
        running.wait_for_line("worker | up")


def test_a_process_that_dies_is_started_again(tmp_path: Path) -> None:
    once = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.exists() or (p.touch(), sys.exit(3)); "
    with supervised({"web": python(once + SLEEP, str(tmp_path / "died"))}) as running:
        running.wait_for_line("web | up")
        assert running.lines[0] == "web | ended (status 3); it starts again in 0.01 s"


def test_one_that_keeps_dying_ends_the_others_and_is_named() -> None:
    with supervised({"web": python(DYING), "beat": python(SLEEP)}) as running:
        running.thread.join(30)
        assert not running.thread.is_alive()
        assert str(running.error).startswith("web ended 5 times")


def test_stop_lets_processes_finish_their_work() -> None:
    finishing = (
        "import signal, sys, time; "
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), print('finished', flush=True), sys.exit())); "
    )
    with supervised({"worker": python(finishing + SLEEP)}) as running:
        running.wait_for_line("worker | up")
        running.supervisor.stop()
        running.thread.join(30)
        assert running.lines == ["worker | up", "worker | finished"]
        assert running.error is None


def test_a_process_that_does_not_end_in_time_is_killed() -> None:
    with supervised({"worker": python(STUBBORN)}, stop_seconds=0.2) as running:
        running.wait_for_line("worker | up")
        running.supervisor.stop()
        running.thread.join(30)
        assert not running.thread.is_alive()


def test_a_second_stop_does_not_wait() -> None:
    with supervised({"worker": python(STUBBORN)}, stop_seconds=600) as running:
        running.wait_for_line("worker | up")
        running.supervisor.stop()
        running.supervisor.stop()
        running.thread.join(30)
        assert not running.thread.is_alive()


def test_what_a_dead_process_leaves_behind_is_gone_before_its_successor_starts(tmp_path: Path) -> None:
    child = f"import os, pathlib, sys; pathlib.Path(sys.argv[1], str(os.getpid())).touch(); {SLEEP}"
    parent = (
        "import os, pathlib, subprocess, sys, time\n"
        "if len(os.listdir(sys.argv[1])): print('second', flush=True); time.sleep(600)\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}, sys.argv[1]])\n"
        "while not os.listdir(sys.argv[1]): time.sleep(0.01)\n"
    )
    with supervised({"web": python(parent, str(tmp_path))}) as running:
        running.wait_for_line("web | second")
        (left_behind,) = tmp_path.iterdir()
        assert not is_alive(int(left_behind.name))


def test_a_command_that_does_not_exist_is_told_at_once() -> None:
    supervisor = Supervisor({"web": ["/does/not/exist"]}, stop_seconds=1, output=io.StringIO())
    with pytest.raises(FileNotFoundError):
        supervisor.run()
