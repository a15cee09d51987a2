"""Runs several processes as one: marks their output, restarts what dies, ends all of them gracefully."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, TextIO

# A process that lived this long has proved itself: its earlier deaths are forgotten.
PROVEN_SECONDS = 60.0
MAX_DEATHS = 5


class KeepsDying(Exception):
    """A process ended again and again right after its start."""


class Supervisor:
    """Runs a process for each named command until stop() is called.

    ``stop_seconds`` is how long a process may take to finish its work before it is killed. ``pause`` is the wait
    before the first restart in seconds; it doubles with each.
    """

    def __init__(
        self,
        commands: Mapping[str, list[str]],
        *,
        stop_seconds: float,
        pause: float = 1.0,
        output: TextIO = sys.stdout,
    ) -> None:
        self._output = _MarkedOutput(output, max(map(len, commands)))
        self._children = [_Child(name, command, pause, self._output) for name, command in commands.items()]
        self._stop_seconds = stop_seconds
        self._stopping = threading.Event()

    def run(self) -> None:
        """Start all, and return once stop() was called and all have ended.

        Raise KeepsDying, when all have ended too, if one of them cannot be kept alive.
        """
        try:
            for child in self._children:
                child.start()
            while not self._stopping.wait(0.1):
                for child in self._children:
                    child.tend()
        finally:
            self._end()

    def stop(self) -> None:
        """Ask run() to end; may be called from a signal handler. A second call kills what has not ended yet."""
        if self._stopping.is_set():
            self._stop_seconds = 0
        self._stopping.set()

    def _end(self) -> None:
        self._stopping.set()
        for child in self._children:
            child.terminate()
        asked_at = time.monotonic()
        while any(child.is_running for child in self._children):
            if time.monotonic() - asked_at > self._stop_seconds:
                for child in self._children:
                    child.kill()
            time.sleep(0.05)
        for child in self._children:
            child.finish_output()


class _Child:
    def __init__(self, name: str, command: list[str], pause: float, output: "_MarkedOutput") -> None:
        self._name = name
        self._command = command
        self._pause = pause
        self._output = output
        self._deaths = 0
        self._restart_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        # A process group of its own: Ctrl-C in a terminal reaches it through the supervisor, once.
        process = subprocess.Popen(  # noqa: S603  the commands are the program's own
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        if process.stdout is None:
            raise RuntimeError("Popen opened no pipe.")
        self._started_at = time.monotonic()
        self._process = process
        self._reader = threading.Thread(target=self._output.copy, args=(self._name, process.stdout), daemon=True)
        self._reader.start()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tend(self) -> None:
        """Start the process again if it ended and its pause is over; raise KeepsDying when that is no use."""
        if self.is_running:
            return
        if self._process is None:
            if time.monotonic() >= self._restart_at:
                self.start()
            return
        status = self._process.returncode
        # What it leaves behind, such as granian's workers, must not hold the port or the work of its successor.
        self.kill()
        self.finish_output()
        self._process = None
        now = time.monotonic()
        self._deaths = 1 if now - self._started_at > PROVEN_SECONDS else self._deaths + 1
        if self._deaths >= MAX_DEATHS:
            raise KeepsDying(f"{self._name} ended {self._deaths} times right after its start. Its lines above say why.")
        pause = self._pause * 2 ** (self._deaths - 1)
        self._restart_at = now + pause
        self._output.write(self._name, f"ended ({_describe(status)}); it starts again in {pause:g} s")

    def terminate(self) -> None:
        if self._process is not None and self.is_running:
            self._process.terminate()

    def kill(self) -> None:
        """kill -9 the process and all of its children."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def finish_output(self) -> None:
        if self._reader is not None:
            self._reader.join(5)


class _MarkedOutput:
    """Writes whole lines, each with the name of the process it comes from."""

    def __init__(self, output: TextIO, width: int) -> None:
        self._output = output
        self._width = width
        self._lock = threading.Lock()

    def copy(self, name: str, lines: IO[bytes]) -> None:
        with lines:
            for line in lines:
                self.write(name, line.decode(errors="replace").rstrip())

    def write(self, name: str, line: str) -> None:
        # Where nobody reads any more, the processes still must not block on a full pipe.
        with self._lock, suppress(OSError, ValueError):
            self._output.write(f"{name:<{self._width}} | {line}\n")
            self._output.flush()


def _describe(status: int) -> str:
    return f"status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"
