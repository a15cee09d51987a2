"""Compiles and renders templates over one event, for the tests of templating."""

import resource
from typing import Any

import pytest

from actions.templating import (
    CompiledParams,
    compile_params,
)
from connectors.types.base import TemplateFormat
from spaces.errors import InvalidInput

EVENT: dict[str, Any] = {
    "id": "e-1",
    "type": "sensor.reading",
    "data": {
        "site": 'Berlin "Mitte" <é>\n',
        "temperature": 31.5,
        "count": 7,
        "ok": True,
        "note": None,
        "path": "a/b c&d",
        "tags": ["prod", "eu"],
        "limits": {"high": 30},
        "readings": [{"name": "a", "value": 3}, {"name": "b", "value": 7}],
        "keys": "a field that is named like a method",
    },
}
CONTEXT: dict[str, Any] = {
    "event": EVENT,
    "rule": {"id": "hot", "name": "Too hot"},
    "action": {"id": "tell"},
    "space": {"id": "default"},
}


def compiled(value: Any, form: TemplateFormat = "json") -> CompiledParams:
    return compile_params({"body": value}, lambda _: form)


def render(value: Any, form: TemplateFormat = "json", context: dict[str, Any] | None = None) -> Any:
    return compiled(value, form).render(context or CONTEXT)["body"]


def refusal(value: Any, form: TemplateFormat = "json", pointer: str = "/body") -> str:
    """Return what a person reads when they save this."""
    with pytest.raises(InvalidInput) as caught:
        compiled(value, form)
    assert len(caught.value.errors) == 1
    assert caught.value.errors[0].pointer == pointer
    return caught.value.errors[0].detail


def peak_memory() -> int:
    """KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
