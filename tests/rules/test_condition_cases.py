"""The meaning of conditions, case by case, as tests/rules/conditions.yaml has them."""

from pathlib import Path
from typing import Any

import pytest
import time_machine
import yaml

from rules.conditions import ConditionError, bind, compile_condition

_FILE: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("conditions.yaml").read_text())
EVENT: dict[str, Any] = _FILE["event"]
EVENT["data"] |= {"big": "x," * 5_000, "wide": "a" * 200_000, "many": [str(number) for number in range(100)]}


def outcome(text: str) -> dict[str, Any]:
    """Return what comes of the condition, as a case says it."""
    try:
        condition = compile_condition(text)
    except ConditionError as error:
        return {"error": error.message, "at": f"{error.line}:{error.column}"}
    match = condition.evaluate(bind(EVENT))
    return {"reason": match.reason} if match.reason else {"matched": match.matched}


@pytest.mark.parametrize("case", _FILE["cases"], ids=lambda case: case["when"][:60])
@time_machine.travel("2026-03-01T12:30:00Z", tick=False)
def test_a_condition_means_what_the_table_says(case: dict[str, Any]) -> None:
    found = outcome(case["when"])
    if "error" in case and case["error"] in found.get("error", ""):
        found["error"] = case["error"]
    assert {"when": case["when"], **found} == case
