"""Which real servers were started, with their versions: a test session names them at its end."""

import os
from collections.abc import Iterable

_ENVIRONMENT = "SWITCHYARD_TESTS_STARTED"
_started: set[str] = set()


def note(server: str) -> None:
    """Remember a server that was started, such as ``Redis 7.0.15``."""
    _started.add(server)


def started() -> list[str]:
    """Return the servers that this process started, and those that stand behind it."""
    behind = os.environ.get(_ENVIRONMENT, "")
    return ordered({*_started, *filter(None, behind.split(", "))})


def ordered(servers: Iterable[str]) -> list[str]:
    return sorted(servers, key=str.casefold)


def behind() -> dict[str, str]:
    """Return what tells a process of pytest, in its environment, which servers it finds started."""
    return {_ENVIRONMENT: ", ".join(started())}
