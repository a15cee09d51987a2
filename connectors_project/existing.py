"""Commands that look at an installation must not begin one where there is none."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import environ

from connectors_project.options import read_options

UNCHECKED: Final = 2  # as check_invariants exits where it cannot check
_LOOKING: Final = ("check_invariants",)
_BASE_DIR: Final = Path(__file__).resolve().parent.parent


def refusal_to_begin(arguments: Sequence[str]) -> str:
    """Return why the command cannot run here, or "". Settings make the directory and keys: ask before they load."""
    if not set(arguments[1:2]) & set(_LOOKING):
        return ""
    values, problems = read_options(environ.Env())
    if problems or values["DATABASE_URL"]:
        return ""
    database = (_BASE_DIR / values["VAR_DIR"]).resolve() / "switchyard.sqlite3"
    return "" if database.exists() else f"Nothing is set up here: there is no {database}. Is VAR_DIR right?"
