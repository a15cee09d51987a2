"""The one table that a run prints, and the line about the machine."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

LIBRARIES = ("django", "celery", "granian", "psycopg", "pycurl", "cel-expr-python", "minijinja")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure, taken several times."""

    values: Sequence[float]
    decimals: int = 0

    @property
    def median(self) -> float:
        """The middle of the values."""
        return median(self.values)

    def __str__(self) -> str:
        shown = f"{self.median:,.{self.decimals}f}"
        if len(self.values) == 1:
            return shown
        return f"{shown} ±{(max(self.values) - min(self.values)) / 2 / self.median:.0%}"

    def as_json(self) -> dict[str, float | list[float]]:
        """Return the median and every value."""
        return {"median": self.median, "values": list(self.values)}


@dataclass(frozen=True, slots=True)
class Row:
    """One line: which pipeline under which load, and its figures by column."""

    pipeline: str
    load: str
    events: int
    figures: Mapping[str, Figure] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return the row with unrounded figures."""
        figures = {name: figure.as_json() for name, figure in self.figures.items()}
        return {"pipeline": self.pipeline, "load": self.load, "events": self.events, "figures": figures}


def render(rows: Sequence[Row]) -> str:
    """Return the rows as aligned text; a column is there when any row has a figure for it."""
    columns = list(dict.fromkeys(name for row in rows for name in row.figures))
    lines = [["pipeline", "load", "events", *columns]]
    for row in rows:
        figures = (str(row.figures[name]) if name in row.figures else "" for name in columns)
        lines.append([row.pipeline, row.load, f"{row.events:,}", *figures])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(_aligned(line, widths) for line in lines)


def machine(servers: Iterable[str] = ()) -> str:
    """Describe the machine and the versions of what runs on it; ``servers`` name further ones."""
    libraries = (f"{name} {version(name)}" for name in LIBRARIES)
    python = f"Python {platform.python_version()}"
    return ", ".join((f"{os.cpu_count()} cores ({_processor()})", _system(), python, *libraries, *servers))


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    texts = (text.ljust(width) for text, width in zip(line[:2], widths[:2], strict=True))
    numbers = (text.rjust(width) for text, width in zip(line[2:], widths[2:], strict=True))
    return "  ".join((*texts, *numbers)).rstrip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _system() -> str:
    return f"{platform.system()} {platform.release()}"
