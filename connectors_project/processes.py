"""The command lines of the processes that make an installation."""

import os
import sys
import uuid
from pathlib import Path
from typing import Final

Command = list[str]
BASE_DIR: Final = Path(__file__).resolve().parent.parent


def web_command(host: str, port: int, workers: int, threads: int) -> Command:
    """Serve the console, the API and ingest."""
    return [
        *_python("granian", "--interface", "wsgi", "--no-ws", "--host", host, "--port", str(port)),
        *("--workers", str(workers), "--blocking-threads", str(threads)),
        # Its warning about the number of threads is mistaken: they wait for the database, not for the processor.
        *("--log-level", "error"),
        "connectors_project.wsgi:application",
    ]


def worker_command() -> Command:
    """Evaluate and deliver. The node name is unique, as Celery demands, however many run on however many machines."""
    return _celery("worker", "--hostname", f"{os.getpid()}-{uuid.uuid4().hex[:8]}@%h")


def beat_command() -> Command:
    """Wake the workers on schedule. Two at once do no harm, one is enough."""
    return _celery("beat")


def sources_command() -> Command:
    """Read the sources. Two at once share the work or stand in for each other."""
    return [sys.executable, str(BASE_DIR / "manage.py"), "run_sources"]


def _celery(*arguments: str) -> Command:
    return _python("celery", "--quiet", "-A", "connectors_project", *arguments)


def _python(module: str, *arguments: str) -> Command:
    return [sys.executable, "-m", module, *arguments]
