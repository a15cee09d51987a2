"""Rules are tried before they are saved, run over the past, and events traced: nothing of it stores or sends."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from actions.models import Action, Delivery, EventLogEntry
from rules.evaluation.ruleset import RuleSets
from rules.links import Link
from rules.models import Alert, Event, EventBatch, Rule
from rules.services import update_rule
from rules.tracing import backtest, places, reading, trace, trial
from spaces.models import Space
from tests.api.client import Api, make_delivery, make_event
from tests.factories import connector_of, make_action, make_connector, make_rule, make_space

pytestmark = pytest.mark.django_db

CONDITION = 'event.data.temperature > 30.0 && event.data.site == "north"'


@pytest.fixture(autouse=True)
def fresh_rule_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests had cached of a space with the same key is another space's."""
    monkeypatch.setattr(trace, "rule_sets", RuleSets())


@pytest.fixture
def action(space: Space) -> Action:
    body = {"text": "{{ event.data.temperature }} in {{ event.data.site }} by {{ rule.id }}"}
    hook = make_connector(space, public_id="hook", auth="bearer", secrets={"token": "S3CR3T"})
    return make_action(hook, public_id="tell", params={"body": body})


def draft(**fields: Any) -> dict[str, Any]:
    return {"params": {"event_types": ["sensor.*"]}, "condition": CONDITION, "actions": ["tell"], **fields}


def reading_of(temperature: float | None = 31.5, **data: Any) -> dict[str, Any]:
    known = {} if temperature is None else {"temperature": temperature}
    named = {"specversion": "1.0", "id": "e-1", "source": "/plant", "type": "sensor.reading"}
    return {**named, "data": {**known, "site": "north", **data}}


def stored_reading(space: Space, temperature: float, **fields: Any) -> Event:
    data = {"temperature": temperature, "site": "north"}
    return make_event(space, **{"type": "sensor.reading", "data": data, **fields})


def test_a_draft_tells_for_each_event_whether_it_matches_why_not_and_what_it_would_send(
    api: Api, action: Action
) -> None:
    events = [reading_of(), reading_of(21.5), reading_of(None), {"temperature": 40}, {**reading_of(), "type": "order"}]
    answer = api.post("rules/_try", {"rule": draft(), "events": events})
    assert answer.status == 200, answer.text
    hot, cold, lacking, plain, other = answer.body["events"]
    assert hot["verdict"]["matched"] is True
    (message,) = hot["messages"]
    assert (message["action"], message["connector"], message["reason"]) == ("tell", "hook", "")
    assert message["message"]["body"] == {"text": "31.5 in north by draft"}
    assert (cold["verdict"]["failed_at"], cold["messages"]) == ("condition", [])
    first = cold["verdict"]["parts"][0]
    assert (first["text"], first["result"]) == ("event.data.temperature > 30.0", "false")
    assert first["values"] == [{"path": "event.data.temperature", "found": True, "value": "21.5"}]
    assert lacking["verdict"]["reason"] == "event.data.temperature does not exist."
    assert lacking["verdict"]["parts"][0]["values"][0]["found"] is False
    assert (plain["event"]["type"], plain["verdict"]["failed_at"]) == ("custom.event", "type")
    assert other["verdict"]["failed_at"] == "type"
    assert "S3CR3T" not in answer.text
    for model in (Rule, Event, Delivery, EventLogEntry):
        assert not model._default_manager.exists()


def test_a_template_that_fails_is_told_with_its_place(api: Api, action: Action) -> None:
    answer = api.post("rules/_try", {"rule": draft(condition=""), "events": [reading_of(None)]})
    (message,) = answer.body["events"][0]["messages"]
    assert (message["reason"], message["message"]) == ("template_error", None)
    assert "/body/text" in message["detail"]
    assert "event.data.temperature" in message["detail"] or "does not exist" in message["detail"]


def test_a_long_message_is_cut_and_what_keeps_it_from_being_sent_is_said(api: Api, space: Space) -> None:
    make_action(make_connector(space, enabled=False), public_id="tell", params={"body": {"all": "{{ event.data }}"}})
    large = reading_of(31, text="x" * 200_000)
    (message,) = api.post("rules/_try", {"rule": draft(), "events": [large]}).body["events"][0]["messages"]
    assert (message["message"], len(message["beginning"])) == (None, 2000)
    assert message["size"] > 200_000
    assert "connector is disabled" in message["note"]


def test_what_holds_a_message_back_is_said_for_each_action(api: Api, space: Space, action: Action) -> None:
    hook = connector_of(action)
    today = timezone.now().isoweekday()
    frame = {"days": [(today + 2) % 7 + 1], "hours": {"start": "00:00", "end": "24:00"}, "timezone": "UTC"}
    links = [
        Link(action, condition="event.data.temperature > 35.0"),
        Link(make_action(hook, public_id="later"), time_frame=frame),
        Link(make_action(hook, public_id="off", enabled=False)),
        Link(make_action(hook, public_id="free")),
    ]
    rule = make_rule(space, public_id="hot", actions=links)

    def held_back(temperature: float) -> dict[str, str]:
        (tried,) = api.post("rules/_try", {"id": "hot", "events": [reading_of(temperature)]}).body["events"]
        assert all(each["note"] or not each["held_back_by"] for each in tried["messages"])
        return {each["action"]: each["held_back_by"] for each in tried["messages"]}

    told = {"later": "time_frame", "off": "disabled", "free": ""}
    assert held_back(31) == {"tell": "condition", **told}
    assert held_back(36) == {"tell": "", **told}
    assert {each["action"]: each["deliveries"] for each in _backtest_of(api, space, 36)} == {
        "tell": 1,
        "later": 0,
        "off": 0,
        "free": 1,
    }
    update_rule(rule, muted=True)
    assert held_back(36) == {"tell": "rule_muted", "later": "rule_muted", "off": "disabled", "free": "rule_muted"}


def _backtest_of(api: Api, space: Space, temperature: float) -> Any:
    stored_reading(space, temperature)
    return api.post("rules/_backtest", {"id": "hot"}).body["deliveries"]


def test_a_stored_rule_is_tried_with_changes(api: Api, space: Space, action: Action) -> None:
    make_rule(space, public_id="hot", params={"event_types": ["sensor.*"]}, condition=CONDITION, actions=[action])
    as_it_is = api.post("rules/_try", {"id": "hot", "events": [reading_of(21)]})
    assert as_it_is.body["events"][0]["verdict"]["matched"] is False
    changed = api.post("rules/_try", {"id": "hot", "rule": {"condition": ""}, "events": [reading_of(21)]})
    assert changed.body["events"][0]["verdict"]["matched"] is True
    assert changed.body["events"][0]["messages"][0]["message"]["body"]["text"] == "21 in north by hot"
    assert Rule.objects.get().condition == CONDITION


def test_stored_events_are_tried_by_key_and_the_latest_that_are_watched(
    api: Api, space: Space, other_space: Space, action: Action
) -> None:
    keys = [stored_reading(space, temperature).pk for temperature in (10, 40)]
    make_event(space, type="order.paid")
    foreign = stored_reading(other_space, 50).pk
    named = api.post("rules/_try", {"rule": draft(), "event_ids": keys})
    assert [each["verdict"]["matched"] for each in named.body["events"]] == [False, True]
    latest = api.post("rules/_try", {"rule": draft(), "last": 5})
    assert [each["event"]["id"] for each in latest.body["events"]] == keys[::-1]
    assert api.post("rules/_try", {"rule": draft(), "event_ids": [*keys, foreign]}).status == 404
    assert api.post("rules/_try", {"rule": draft(), "event_ids": [4711]}).status == 404


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({"rule": {"condition": "event.x >"}, "events": []}, ["/rule/condition"]),
        ({"rule": {"params": {"event_types": ["a*b"]}}, "events": []}, ["/rule/params/event_types/0"]),
        ({"rule": {"rule_type_id": "none"}, "events": []}, ["/rule/rule_type_id"]),
        ({"rule": {"actions": ["foreign"]}, "events": []}, ["/rule/actions/0"]),
        ({"rule": {"nothing": 1}, "events": []}, ["/rule/nothing"]),
        ({"rule": [], "events": []}, ["/rule"]),
        ({"id": "none", "events": []}, ["/id"]),
        ({"id": "foreign-rule", "events": []}, ["/id"]),
        ({"rule": {}}, [""]),
        ({"rule": {}, "events": [], "last": 1}, [""]),
        ({"rule": {}, "last": 21}, ["/last"]),
        ({"rule": {}, "events": [{}] * 21}, ["/events"]),
        ({"rule": {}, "event_ids": [1] * 21}, ["/event_ids"]),
        ({"rule": {}, "events": [{"a": 1}, 7, {**reading_of(), "id": ""}]}, ["/events/1", "/events/2/id"]),
        ({"rule": {"rule_type_id": "connector_health"}, "last": 1}, ["/last"]),
        ({"rule": {"rule_type_id": "connector_health", "condition": "true"}}, ["/rule/condition"]),
    ],
)
def test_what_cannot_be_tried_is_refused_with_its_place(
    api: Api, other_space: Space, body: dict[str, Any], places: list[str]
) -> None:
    make_action(make_connector(other_space), public_id="foreign")
    make_rule(other_space, public_id="foreign-rule")
    answer = api.post("rules/_try", body)
    assert answer.status == 400, answer.text
    assert answer.places == places


def test_conditions_that_exhaust_their_budget_and_large_events_end_in_time(
    api: Api, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "SECONDS", 0.2)
    loop = 'event.data.items.all(i, event.data.text.upperAscii() != "q")'
    large = reading_of(31, items=[0] * 2000, text="x" * 50_000)
    answer = api.post("rules/_try", {"rule": draft(condition=" || ".join([loop] * 12)), "events": [large] * 8})
    assert answer.status == 200
    tried = answer.body["events"]
    assert tried[0]["verdict"]["matched"] is False
    assert tried[0]["verdict"]["parts"][-1]["result"] == "not_evaluated"
    assert answer.body["left_out"] == 8 - len(tried) > 0


def test_an_event_that_is_too_large_to_be_taken_in_is_refused(api: Api) -> None:
    answer = api.post("rules/_try", {"rule": {}, "events": [reading_of(1, text="x" * 300_000)]})
    assert (answer.status, answer.places) == (400, ["/events/0"])
    assert "one may take 262,144" in answer.text


def test_a_backtest_counts_what_would_have_come_of_the_past(api: Api, space: Space, action: Action) -> None:
    now = timezone.now()
    old = stored_reading(space, 99, received_at=now - timedelta(hours=30))
    early = stored_reading(space, 40, received_at=now - timedelta(hours=5))
    cold = stored_reading(space, 10, received_at=now - timedelta(hours=2))
    stored_reading(space, 10, data={"site": "south"}, received_at=now - timedelta(hours=1))
    make_event(space, type="order.paid")
    stored_reading(make_space(), 50)
    late = stored_reading(space, 41)
    answer = api.post("rules/_backtest", {"rule": draft(), "hours": 24})
    assert answer.status == 200, answer.text
    found = answer.body
    assert (found["looked_at"], found["matched"], found["failed"], found["capped_by"]) == (4, 2, 0, "")
    assert found["matches"] == [late.pk, early.pk]
    assert found["deliveries"] == [{"action": "tell", "deliveries": 2}]
    assert [hour["matched"] for hour in found["per_hour"]] == [1, 1]
    assert found["first_match_at"] < found["last_match_at"]
    assert found["reached"] == found["since"]
    (near,) = found["near_misses"]
    assert (near["id"], near["part"]["text"]) == (cold.pk, "event.data.temperature > 30.0")
    assert api.post("rules/_backtest", {"rule": draft(), "hours": 48}).body["matches"][-1] == old.pk
    space.retention_days = 1
    space.save()
    assert api.post("rules/_backtest", {"rule": draft(), "hours": 48}).body["matched"] == 2
    assert not Delivery.objects.exists()


def test_a_backtest_reads_in_steps_and_says_where_it_was_capped(
    api: Api, space: Space, action: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [stored_reading(space, 40).pk for _ in range(12)]
    monkeypatch.setattr(reading, "_AT_ONCE", 2)
    monkeypatch.setattr(reading, "_LEAST_SPAN", 3)
    whole = api.post("rules/_backtest", {"rule": draft()}).body
    assert (whole["matched"], whole["matches"]) == (12, keys[:1:-1])
    monkeypatch.setattr(backtest, "MOST_EVENTS", 7)
    capped = api.post("rules/_backtest", {"rule": draft()}).body
    assert (capped["looked_at"], capped["capped_by"]) == (7, "events")
    assert capped["reached"] > capped["since"]
    monkeypatch.setattr(backtest, "SECONDS", 0.0)
    late = api.post("rules/_backtest", {"rule": draft()}).body
    assert (late["looked_at"], late["capped_by"]) == (0, "time")


def test_a_backtest_of_absence_runs_over_the_events_that_came(api: Api, space: Space, action: Action) -> None:
    now = timezone.now()
    for minutes in (*range(59, 40, -1), *range(20, 0, -1)):
        for site in ("north", "south", *(["west"] if minutes == 50 else [])):
            stored_reading(space, 1, data={"site": site}, received_at=now - timedelta(minutes=minutes))
    params = {"event_types": ["sensor.*"], "seconds": 300, "group_by": ["data.site"]}
    links = ["tell", {"id": "tell", "group": "recovered"}]
    rule = {"rule_type_id": "absence", "params": params, "interval": 60, "actions": links}
    answer = api.post("rules/_backtest", {"rule": rule, "hours": 1})
    assert answer.status == 200, answer.text
    runs = answer.body["runs"]
    assert (runs["count"], runs["opened"], runs["recovered"], answer.body["looked_at"]) == (60, 3, 2, 79)
    assert {(each["key"], each["ended_at"] is None) for each in runs["alerts"]} == {
        ("north", False),
        ("south", False),
        ("west", True),
    }
    assert answer.body["deliveries"] == [{"action": "tell", "deliveries": 5}]
    each = {**rule, "actions": [{"id": "tell", "frequency": "each"}]}
    assert 70 < api.post("rules/_backtest", {"rule": each, "hours": 1}).body["deliveries"][0]["deliveries"] < 85
    at_most = {**rule, "actions": [{"id": "tell", "frequency": "interval", "throttle": 600}]}
    assert 3 < api.post("rules/_backtest", {"rule": at_most, "hours": 1}).body["deliveries"][0]["deliveries"] < 12


@pytest.mark.parametrize("hours", [0, 169])
def test_a_backtest_goes_back_a_week_at_most(api: Api, hours: int) -> None:
    assert api.post("rules/_backtest", {"rule": {}, "hours": hours}).places == ["/hours"]


def test_rules_that_run_by_themselves_say_that_the_past_is_not_kept(api: Api) -> None:
    answer = api.post("rules/_backtest", {"rule": {"rule_type_id": "connector_health"}})
    assert (answer.status, answer.places) == (400, ["/rule/rule_type_id"])
    assert "cannot be run over the past" in answer.body["errors"][0]["detail"]


def test_more_tries_at_once_than_there_are_places_for_wait(api: Api) -> None:
    for _ in range(places.PLACES):
        places.take_place()
    try:
        answer = api.post("rules/_try", {"rule": {}, "events": [{}]})
    finally:
        for _ in range(places.PLACES):
            places.leave_place()
    assert (answer.status, answer.headers["Retry-After"]) == (429, str(places.WAIT))
    assert api.post("rules/_try", {"rule": {}, "events": [{}]}).status == 200


@pytest.mark.django_db(transaction=True)
def test_a_rule_that_runs_by_itself_is_run_once_as_if_just_enabled(api: Api, space: Space, action: Action) -> None:
    hook = action.connector
    assert hook is not None
    type(hook).objects.filter(pk=hook.pk).update(status="disconnected", status_detail="Refused.")
    rule = {"rule_type_id": "connector_health", "params": {"for_seconds": 0, "connectors": ["hook", "lost"]}}
    answer = api.post("rules/_try", {"rule": {**rule, "actions": ["tell"]}})
    assert answer.status == 200, answer.text
    run = answer.body["run"]
    assert (run["count"], run["reason"]) == (1, "")
    assert run["found"][0] | {"summary": ""} == {
        "key": "hook",
        "group": "disconnected",
        "value": '"disconnected"',
        "summary": "",
        "state": "active",
        "actions": ["tell"],
    }
    assert "lost" in run["warnings"][0]
    pending = api.post("rules/_try", {"rule": {**rule, "delay": 3}}).body["run"]["found"][0]
    assert (pending["state"], pending["actions"]) == ("pending", [])
    assert not Alert.objects.exists()


def test_a_trace_has_each_rule_that_looked_its_verdict_and_what_it_sent(api: Api, space: Space, action: Action) -> None:
    watched: dict[str, Any] = {"params": {"event_types": ["sensor.*"]}}
    hot = make_rule(space, public_id="hot", condition=CONDITION, actions=[action], **watched)
    make_rule(space, public_id="hotter", condition="event.data.temperature > 90.0", **watched)
    make_rule(space, public_id="orders", params={"event_types": ["order.*"]})
    make_rule(space, public_id="off", enabled=False)
    make_rule(space, public_id="south", condition='event.data.site == "south"')
    make_rule(space, public_id="health", type="connector_health")
    event = stored_reading(space, 40)
    sent = make_delivery(action, event_id=event.pk, rule_id="hot", state="delivered", attempts=2)
    lost = make_delivery(action, event_id=event.pk, rule_id="lost")
    answer = api.get(f"events/{event.pk}/trace")
    assert answer.status == 200, answer.text
    rules = {rule["id"]: rule for rule in answer.body["rules"]}
    assert set(rules) == {"hot", "hotter", "lost"}
    assert (rules["hot"]["verdict"]["matched"], rules["hot"]["deliveries"]) == (True, [sent.pk])
    hotter = rules["hotter"]["verdict"]
    assert (hotter["failed_at"], hotter["parts"][0]["values"][0]["value"]) == ("condition", "40")
    assert rules["lost"] == {
        "id": "lost",
        "name": "lost",
        "verdict": None,
        "note": "The rule was deleted.",
        "changed_since": False,
        "deliveries": [lost.pk],
    }
    assert (answer.body["did_not_look"], answer.body["is_waiting"]) == (2, False)
    first = answer.body["deliveries"][0]
    assert (first["state"], first["attempts"], first["action"], first["connector"]) == (
        "delivered",
        2,
        "tell",
        "hook",
    )
    assert rules["hot"]["changed_since"] is False
    update_rule(hot, condition="")
    assert api.get(f"events/{event.pk}/trace", rule="hot").body["rules"][0]["changed_since"] is True
    for name, failed_at, note in (
        ("orders", "type", ""),
        ("south", "guard", ""),
        ("off", "", "The rule is disabled."),
        ("health", None, "The rule runs by itself, and looks at no single event."),
    ):
        (named,) = api.get(f"events/{event.pk}/trace", rule=name).body["rules"]
        assert (named["verdict"] and named["verdict"]["failed_at"], named["note"]) == (failed_at, note)
    assert api.get(f"events/{event.pk}/trace", rule="none").status == 404
    assert api.get(f"events/{event.pk}/trace", rule="a\0b").status == 404


def test_a_trace_tells_that_an_event_waits_and_what_led_to_it(api: Api, space: Space, action: Action) -> None:
    first = make_event(space)
    delivery = make_delivery(action, event_id=first.pk)
    second = make_event(space, hop=1, cause=f"deliveries/{delivery.webhook_id}")
    third = make_event(space, hop=2, cause=f"events/{second.pk}")
    EventBatch.objects.create(space=space, event_ids=[third.pk])
    found = api.get(f"events/{third.pk}/trace").body
    assert found["is_waiting"] is True
    assert [(each["hop"], each["delivery_id"], each["event_id"]) for each in found["causes"]] == [
        (2, None, second.pk),
        (1, delivery.pk, first.pk),
    ]
    gone = make_event(space, hop=3, cause="deliveries/00000000-0000-4000-8000-000000000000")
    (cause,) = api.get(f"events/{gone.pk}/trace").body["causes"]
    assert "not among the newest" in cause["detail"]


def test_another_spaces_event_is_not_traced(api: Api, other_space: Space) -> None:
    assert api.get(f"events/{make_event(other_space).pk}/trace").status == 404
