"""The meaning of templates, case by case, as tests/actions/templates.yaml has them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from actions.template_filters import OWN_FILTERS
from actions.templating import VARIABLES, TemplateError
from spaces.errors import InvalidInput
from tests.actions.templates import render

_FILE: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("templates.yaml").read_text())
CONTEXT: dict[str, Any] = _FILE["context"]
CONTEXT["event"]["data"]["wide"] = "x" * 300_000


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    """Return what comes of the template, as a case says it."""
    try:
        return {"gives": render(case["of"], case.get("in", "text"), CONTEXT)}
    except InvalidInput as error:
        kind, said = "refused", error.errors[0].detail
    except TemplateError as error:
        kind, said = "fails", error.detail
    place = re.match(r"Line (\d+), column (\d+): ", said)
    found: dict[str, Any] = {}
    found[kind] = case[kind] if case.get(kind, said) in said else said
    if place:
        found["at"] = f"{place[1]}:{place[2]}"
    return found


@pytest.mark.parametrize("case", _FILE["cases"], ids=lambda case: case["of"][:60])
def test_a_template_gives_what_the_table_says(case: dict[str, Any]) -> None:
    asked: dict[str, Any] = {name: case[name] for name in ("of", "in") if name in case}
    assert asked | outcome(case) == case


def test_the_table_has_each_variable_and_each_filter_of_ours() -> None:
    assert set(CONTEXT) == set(VARIABLES)
    templates = " ".join(case["of"] for case in _FILE["cases"])
    escapes = {"discord", "jira", "servicenow", "servicenow_html", "telegram", "telegram_html", "telegram_markdown"}
    assert {name for name in OWN_FILTERS if f"| {name}" not in templates} == escapes
