"""The examples of docs/trying-rules.md are what the API answers."""

import json
import re
from typing import Any

import pytest

from rules.evaluation.ruleset import RuleSets
from rules.tracing import trace
from spaces.models import Space
from tests.api.client import Api, make_event
from tests.factories import make_action, make_connector, make_rule
from tests.servers import ROOT

pytestmark = pytest.mark.django_db

_PAGE = (ROOT / "docs" / "trying-rules.md").read_text()
EXAMPLES: dict[str, Any] = {
    name: json.loads(text) for name, text in re.findall(r"^```json (\w+)\n(.*?)^```$", _PAGE, re.MULTILINE | re.DOTALL)
}


def shown_of(answer: Any, example: Any) -> Any:
    """Return the answer without what the example leaves out."""
    if isinstance(example, dict):
        return {name: shown_of(answer[name], value) for name, value in example.items()}
    if isinstance(example, list) and len(example) == len(answer):
        return [shown_of(*pair) for pair in zip(answer, example, strict=True)]
    return answer


def test_the_examples_are_what_is_answered(api: Api, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "rule_sets", RuleSets())
    body = {"text": "{{ event.data.temperature }} in {{ event.data.site }}"}
    action = make_action(make_connector(space, public_id="plant"), public_id="tell-plant", params={"body": body})
    for event in EXAMPLES["events"]:
        make_event(space, type="sensor.reading", **event)
    asked = EXAMPLES["try"]
    answers = {"tried": api.post("rules/_try", asked).body}
    answers["backtest"] = api.post("rules/_backtest", {"rule": asked["rule"], "hours": 24}).body
    rule = asked["rule"]
    make_rule(space, public_id="hot-sites", params=rule["params"], condition=rule["condition"], actions=[action])
    make_rule(space, params={"event_types": ["order.*"]})
    answers["trace"] = api.get("events/103/trace").body
    for name, answer in answers.items():
        assert shown_of(answer, EXAMPLES[name]) == EXAMPLES[name], name
