"""Each action of a rule of events is told under its own condition, and in its own time frame."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from actions.models import Action, Delivery
from rules.evaluation import rounds
from rules.evaluation.rounds import evaluate_round
from rules.evaluation.ruleset import RuleSets
from rules.links import Link
from rules.models import Event, Rule
from rules.services.accept import accept_events
from rules.services.rules import update_rule
from rules.services.silences import mute_rule
from spaces.errors import InvalidInput
from spaces.models import Space
from tests.factories import make_action, make_connector, make_rule
from tests.rules.running import data_of, incoming, own_events
from tests.rules.test_summaries import frame

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_rule_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule sets of this test's spaces: those of a test before it that was rolled back had the same keys."""
    monkeypatch.setattr(rounds, "rule_sets", RuleSets())


@pytest.fixture
def actions(space: Space) -> list[Action]:
    return [make_action(make_connector(space, enabled=False), public_id=name) for name in ("hot", "cold")]


def rule_of(space: Space, *links: Action | Link) -> Rule:
    return make_rule(space, params={"event_types": ["test.*"]}, condition="event.data.n != 0", actions=links)


def outcome(space: Space, **data: Any) -> dict[str, str]:
    """Let an event happen; return what becomes of it by action: "" where it is sent, or the cause."""
    accept_events(space.pk, [incoming(data=data)])
    while evaluate_round():
        pass
    newest = Event.objects.filter(space=space, type="test.ping").latest("pk")
    return {row.action.public_id: row.last_reason for row in Delivery.objects.filter(event_id=newest.pk)}


def test_two_actions_have_one_condition_each(space: Space, actions: list[Action]) -> None:
    hot, cold = actions
    rule_of(space, Link(hot, condition="event.data.t > 30"), Link(cold, condition='event.data.site == "x"'))
    assert outcome(space, n=1, t=31, site="y") == {"hot": ""}
    assert outcome(space, n=1, t=3, site="x") == {"cold": ""}
    assert outcome(space, n=1, t=31, site="x") == {"hot": "", "cold": ""}
    assert outcome(space, n=0, t=31, site="x") == {}
    # A field that is missing did not match, which is no failure; a text that is compared with a number is one.
    assert outcome(space, n=1, t=31) == {"hot": ""}
    for _ in range(3):
        assert outcome(space, n=1, t="hot", site="x") == {"cold": ""}
    (failed,) = map(data_of, own_events(space, "rule.failed"))
    assert (failed["part"], failed["action"], failed["count"]) == ("condition", "hot", 3)


def test_outside_its_time_frame_an_action_is_not_told_and_that_is_recorded(space: Space, actions: list[Action]) -> None:
    hot, cold = actions
    rule = rule_of(
        space, Link(hot, time_frame=frame(is_open=False)), Link(cold, "", "change", None, "true", frame(is_open=True))
    )
    assert outcome(space, n=1) == {"hot": "time_frame", "cold": ""}
    # A silence says more.
    mute_rule(rule)
    assert outcome(space, n=1) == {"hot": "rule_muted", "cold": "rule_muted"}


def test_terms_cost_an_event_no_query(space: Space, actions: list[Action]) -> None:
    rule = rule_of(space, *actions)
    outcome(space, n=1)

    def queries() -> int:
        accept_events(space.pk, [incoming(data={"n": 1, "t": 31})])
        with CaptureQueriesContext(
            connection,
        ) as captured:
            evaluate_round()
        return len(captured)

    before = queries()
    update_rule(
        rule, actions=[Link(each, condition="event.data.t > 30", time_frame=frame(is_open=True)) for each in actions]
    )
    outcome(space, n=1)
    assert queries() == before


@pytest.mark.parametrize(
    ("terms", "pointer", "detail"),
    [
        ({"condition": "true &&\n event.data ="}, "/actions/1/condition", "line 2, column"),
        ({"condition": "1"}, "/actions/1/condition", "not true or false"),
        ({"frequency": "summary"}, "/actions/1", "keep no alerts"),
        ({"frequency": "interval", "throttle": 60}, "/actions/1", "keep no alerts"),
        ({"group": "recovered"}, "/actions/1", "keep no alerts"),
        ({"time_frame": {}}, "/actions/1/time_frame/days", ""),
    ],
)
def test_what_cannot_be_is_refused_when_saved(
    space: Space, actions: list[Action], terms: dict[str, Any], pointer: str, detail: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        rule_of(space, actions[0], Link(actions[1], **terms))
    error = refusal.value.errors[0]
    assert (error.pointer, detail in error.detail) == (pointer, True)


def test_one_action_stands_once_in_a_rule_whatever_its_terms(space: Space, actions: list[Action]) -> None:
    hot, _ = actions
    with pytest.raises(InvalidInput, match="listed twice"):
        rule_of(space, Link(hot, condition="event.data.t > 1"), Link(hot, condition="event.data.t < 1"))
