"""Rules tried in their form, saved or not, and the trace on an event's page."""

import html
import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from actions.models import Action, Delivery
from rules.evaluation.ruleset import RuleSets
from rules.models import Event, Rule
from rules.tracing import trace
from spaces.models import Space
from tests.admin.conftest import HOSTILE, make_action, make_connector, make_event, make_member
from tests.admin.test_admin_rules import entered, make
from tests.factories import connector_of

TRY, BACKTEST = "admin:rules_rule_try", "admin:rules_rule_backtest"
CONDITION = "event.data.temperature > 30.0"


@pytest.fixture(autouse=True)
def fresh_rule_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests had cached of a space with the same key is another space's."""
    monkeypatch.setattr(trace, "rule_sets", RuleSets())


@pytest.fixture
def action(space: Space) -> Action:
    hook = make_connector(space, config={"url": "https://receiver.example"})
    return make_action(hook, params={"body": {"text": "{{ event.data.temperature }} degrees"}})


def event(temperature: float, **fields: Any) -> dict[str, Any]:
    data = {"temperature": temperature, "site": HOSTILE}
    named = {"specversion": "1.0", "id": "e-1", "source": "/plant", "type": "sensor.reading"}
    return {**named, "subject": "alarms/1", "data": data, **fields}


def tried(console: Client, page: str, key: int | None = None, **fields: Any) -> str:
    answer = console.post(reverse(page if key is None else f"{page}_of", args=[] if key is None else [key]), fields)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "<script>alert" not in text
    return html.unescape(text)


def test_the_form_has_buttons_that_try_what_is_entered(console: Client, space: Space) -> None:
    rule = make(space)
    for page, leads in (
        (reverse("admin:rules_rule_add") + f"?space={space.pk}", (reverse(TRY), reverse(BACKTEST))),
        (
            reverse("admin:rules_rule_change", args=[rule.pk]),
            [reverse(f"{p}_of", args=[rule.pk]) for p in (TRY, BACKTEST)],
        ),
    ):
        text = console.get(page).content.decode()
        for shown in (*leads, 'name="try_events"', 'name="try_hours"', "connectors/probe.js"):
            assert shown in text


def test_what_is_entered_is_tried_part_by_part_and_its_message_shown(
    console: Client, space: Space, action: Action
) -> None:
    both = json.dumps([event(31.5), event(21.5)])
    given = entered(space, action, condition=f'{CONDITION} && event.data.site != "x"', name="", try_events=both)
    text = tried(console, TRY, **given)
    for shown in ("matched", "31.5 degrees", "no match", "event.data.temperature = 21.5", "Condition: "):
        assert shown in text
    assert not Rule.objects.exists()
    rule = make(space, action, condition=CONDITION)
    make_event(space, type="sensor.reading", subject="alarms/1", data={"temperature": 40})
    text = tried(console, TRY, rule.pk, **entered(space, action, seen_version=1))
    assert "40 degrees" in text
    assert not Delivery.objects.exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"condition": "event.x >"}, "ends too early"),
        ({"try_events": "{"}, "This is not JSON"),
        ({"try_events": '{"id": 1}'}, ""),
        ({"try_events": '[{"specversion": "2", "id": "a", "source": "b", "type": "c"}]'}, "/events/0/specversion"),
        ({"try_last": "99"}, "less than or equal to 20"),
        ({"event_params_subjects": "a/#/b"}, "# stands alone"),
    ],
)
def test_what_cannot_be_tried_is_named(console: Client, space: Space, fields: dict[str, Any], said: str) -> None:
    text = tried(console, TRY, **entered(space, **fields))
    assert said in text
    assert ("cannot be tried like this" in text) is bool(said)


def test_a_backtest_shows_how_often_it_would_have_matched(console: Client, space: Space, action: Action) -> None:
    for number, temperature in enumerate([40, 41, 10]):
        make_event(space, number, type="sensor.reading", subject="alarms/1", data={"temperature": temperature})
    text = tried(console, BACKTEST, **entered(space, action))
    for shown in ("Events looked at", "Matched", f"Deliveries of {action.public_id}", "One part away from a match"):
        assert shown in text
    scheduled = entered(space, type="connector_health", condition="")
    assert "cannot be run over the past" in tried(console, BACKTEST, **scheduled)


@pytest.mark.django_db(transaction=True)
def test_a_rule_that_runs_by_itself_is_run_once(console: Client, space: Space, action: Action) -> None:
    hook = connector_of(action)
    type(hook).objects.filter(pk=hook.pk).update(status="disconnected", status_detail=HOSTILE)
    given = entered(space, action, type="connector_health", connector_health_params_for_seconds="0")
    text = tried(console, TRY, **given)
    for shown in ("1 found", hook.public_id, "would be active", action.public_id):
        assert shown in text


def test_an_events_page_explains_each_rule_and_one_that_did_not_look(
    console: Client, space: Space, action: Action
) -> None:
    make(space, action, public_id="hot", name=HOSTILE, condition=CONDITION, params={"event_types": ["sensor.*"]})
    make(space, action, public_id="orders", params={"event_types": ["order.*"]})
    came = make_event(space, type="sensor.reading", data={"temperature": 21.5}, hop=1, cause="events/4711")
    page = reverse("admin:rules_event_change", args=[came.pk])
    text = console.get(page).content.decode()
    for shown in (
        "Trace",
        CONDITION.replace(">", "&gt;"),
        "event.data.temperature = 21.5",
        "1 enabled rule did not look",
    ):
        assert shown in text
    assert "<script>alert" not in text
    assert "It is gone." in text
    named = console.get(page, {"rule": "orders"}).content.decode()
    assert "The rule looks at “order.*”; the type is “sensor.reading”." in named
    assert "There is no rule" in console.get(page, {"rule": "none\0<b>"}).content.decode()


def test_another_spaces_actions_and_rules_are_not_tried(client: Client, space: Space, other_space: Space) -> None:
    client.force_login(make_member(space, "editor"))
    foreign = make_action(make_connector(other_space))
    rule = make(other_space, foreign)
    assert client.post(reverse(f"{TRY}_of", args=[rule.pk]), entered(space)).status_code == 404
    text = tried(client, TRY, **entered(space, foreign))
    assert "cannot be tried like this" in text
    assert "cannot be tried like this" in tried(client, TRY, **entered(other_space))
    assert not Event.objects.exists()
