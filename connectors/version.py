"""The version of this Switchyard."""

import tomllib
from importlib import metadata
from pathlib import Path


def _read() -> str:
    try:
        return metadata.version("switchyard")
    except metadata.PackageNotFoundError:  # run from its source tree
        text = (Path(__file__).resolve().parent.parent / "pyproject.toml").read_text()
        return str(tomllib.loads(text)["project"]["version"])


VERSION = _read()
