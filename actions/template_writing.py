"""How the formats of fields write values."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import orjson

from actions.escaping import ESCAPES
from connectors.types.base import TemplateFormat


def _write_json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _write_text(value: Any) -> str:
    return value if isinstance(value, str) else _write_json(value)


def _write_url(value: Any) -> str:
    return quote(_write_text(value), safe="")


def _write_escaped(escape: Callable[[str], str], value: Any) -> str:
    return escape(_write_text(value))


WRITERS: Final[dict[TemplateFormat, Callable[[Any], str]]] = {
    "json": _write_json,
    "text": _write_text,
    "url": _write_url,
    **{form: partial(_write_escaped, escape) for form, escape in ESCAPES.items()},
}


def write_path(path: list[str], write: Callable[[Any], str], engine: Callable[..., str], **context: Any) -> str:
    """Render one field without the engine: ten times faster for the default body, the whole event."""
    value: Any = context
    try:
        for name in path:
            value = value[name]
        return write(value)
    except (LookupError, TypeError):  # The field is missing, or no JSON of 64-bit numbers: the engine tells.
        return engine(**context)
