"""Each example of docs/conditions.md does what the page says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import time_machine

from rules.condition_functions import BY_NAME
from rules.conditions import ConditionError, bind, compile_condition
from rules.named_conditions import compile_named

_PAGE = (Path(__file__).parents[2] / "docs" / "conditions.md").read_text()


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)


def _examples(kind: str) -> list[tuple[str, str]]:
    """Return each expression, and what the page says of it."""
    lines = [line for block in _blocks(kind) for line in block.splitlines()]
    return [
        (text.rstrip(), said)
        for text, said in (line.rsplit("  // ", 1) if "  // " in line else line.rsplit(" // ", 1) for line in lines)
    ]


EVENT: dict[str, Any] = json.loads(_blocks("json")[0])


@pytest.mark.parametrize(("text", "said"), _examples("cel"))
@time_machine.travel("2026-03-01T12:30:00Z", tick=False)
def test_an_example_has_the_result_that_stands_beside_it(text: str, said: str) -> None:
    match = compile_condition(text).evaluate(bind(EVENT))
    assert (match.reason or str(match.matched).lower()) == said


@pytest.mark.parametrize(("text", "said"), _examples("cel-refused"))
def test_a_faulty_example_is_refused_as_it_stands_beside_it(text: str, said: str) -> None:
    with pytest.raises(ConditionError) as caught:
        compile_condition(text)
    assert f"{caught.value.line}:{caught.value.column} {caught.value.message}" == said


NAMED = {
    "business_hours": 'now.getHours("Europe/Berlin") >= 8 && now.getHours("Europe/Berlin") < 18',
    "berlin": 'event.data.site == "Berlin"',
}


@time_machine.travel("2026-03-01T12:30:00Z", tick=False)
def test_the_examples_of_named_conditions_have_their_results() -> None:
    assert all(text in _PAGE for text in NAMED.values())
    for text, said in _examples("cel-named"):
        assert str(compile_named(text, NAMED).evaluate(bind(EVENT)).matched).lower() == said
    for text, said in _examples("cel-named-refused"):
        with pytest.raises(ConditionError) as caught:
            compile_named(text, NAMED)
        assert f"{caught.value.line}:{caught.value.column} {caught.value.message}" == said


def test_the_page_has_an_example_of_each_function() -> None:
    shown = " ".join(text for text, _ in _examples("cel"))
    assert [name for name in BY_NAME if f"{name}(" not in shown] == []
