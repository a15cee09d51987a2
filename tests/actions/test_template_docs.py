"""Each example of docs/templates.md does what the page says."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from actions.template_grammar import FILTERS, STATEMENTS, TESTS
from actions.templating import VARIABLES, TemplateError
from connectors.types.base import TemplateFormat
from spaces.errors import InvalidInput
from tests.actions.templates import render

_PAGE = (Path(__file__).parents[2] / "docs" / "templates.md").read_text()
_BLOCKS = re.findall(r"^```(\S+)\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)

CONTEXT: dict[str, Any] = {
    "event": json.loads(next(text for kind, text in _BLOCKS if kind == "json")),
    "rule": {"id": "large", "name": "Large orders", "type": "event", "tags": [], "url": ""},
    "alert": None,
    "action": {"id": "tell", "name": "Tell the desk"},
    "connector": {"id": "desk", "name": "Order desk", "type": "http"},
    "space": {"id": "default", "name": "Default"},
    "failure": None,
    "date": "2026-03-01T12:31:00.000000Z",
    "console": {"url": "", "event_url": ""},
}


def _examples() -> list[tuple[str, str, str]]:
    """Return the kind of each example, its template, and what the page says of it."""
    return [
        (kind.removeprefix("template"), *re.split(r"\s+→ ", line, maxsplit=1))
        for kind, text in _BLOCKS
        if kind.startswith("template")
        for line in text.splitlines()
    ]


def _outcome(template: str, form: TemplateFormat) -> str:
    try:
        return str(render(template, form, CONTEXT))
    except InvalidInput as error:
        detail = error.errors[0].detail
    except TemplateError as error:
        detail = error.detail
    return re.sub(r"^Line (\d+), column (\d+):", r"\1:\2", detail)


@pytest.mark.parametrize(("kind", "template", "said"), _examples(), ids=lambda text: text[:40])
def test_an_example_gives_what_stands_beside_it(kind: str, template: str, said: str) -> None:
    form: TemplateFormat = next((each for each in get_args(TemplateFormat) if each in kind.split("-")), "text")
    assert _outcome(template, form) == said
    if kind.endswith("refused"):
        with pytest.raises(InvalidInput):
            render(template, form, CONTEXT)


def test_the_page_has_every_variable_filter_statement_and_test() -> None:
    named = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`[^`\n]+`", _PAGE))))
    assert {*VARIABLES, *FILTERS} - named == set()
    assert {name for name in STATEMENTS if not name.startswith(("end", "el"))} - named == set()
    synonyms = {"equalto", "greaterthan", "lessthan"}
    assert TESTS - synonyms - named == set()
