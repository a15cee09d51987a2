"""CPU and memory of processes, from /proc."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def parent(pid: int) -> int:
    """Return the parent's process id."""
    return int(_stat(pid)[1])


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU that the processes and all their descendants, ended ones too, have used."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(parent(int(entry.name)), []).append(int(entry.name))
            except FileNotFoundError:
                continue
    waiting, ticks = list(pids), 0
    while waiting:
        pid = waiting.pop()
        # utime, stime, and those of children that ended: fields 14 to 17 of proc(5).
        ticks += sum(int(field) for field in _stat(pid)[11:15])
        waiting += children.get(pid, [])
    return ticks / _TICKS


def resident_bytes(pid: int) -> int:
    """Return VmRSS."""
    status = Path(f"/proc/{pid}/status").read_text()
    return _kilobytes(status, "VmRSS:") * 1024


def private_bytes(pid: int) -> int:
    """Return the unique set size: what ending the process would free."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return (_kilobytes(rollup, "Private_Clean:") + _kilobytes(rollup, "Private_Dirty:")) * 1024


def _stat(pid: int) -> list[str]:
    # The name, field 2, may hold spaces and brackets: the rest begins after the last bracket, with field 3.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _kilobytes(text: str, name: str) -> int:
    return int(text.split(name, 1)[1].split(None, 1)[0])
