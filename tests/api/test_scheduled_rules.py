"""Rules that run by themselves, and their alerts, over the API."""

from typing import Any

import pytest

from rules.models import Alert, RuleRun
from spaces.models import Space
from tests.api.client import Api
from tests.factories import make_action, make_connector

pytestmark = pytest.mark.django_db

RULE: dict[str, Any] = {"id": "down", "name": "Down", "rule_type_id": "connector_health"}
FRAME = {"days": [1], "hours": {"start": "08:00", "end": "17:00"}, "timezone": "UTC"}
NEVER = {"start": "08:00", "end": "08:00"}


@pytest.fixture
def actions(space: Space) -> None:
    for name in ("call", "calm"):
        make_action(make_connector(space), public_id=name)


@pytest.mark.usefixtures("actions")
def test_it_is_made_read_and_sent_back_as_it_was(api: Api) -> None:
    frame = {"days": [1, 5], "hours": {"start": "22:00", "end": "06:00"}, "timezone": "Europe/Berlin"}
    link = {"id": "calm", "group": "recovered", "frequency": "interval", "throttle": 60}
    links = ["call", {**link, "condition": 'event.data.alert.key == "desk"', "time_frame": frame}]
    made = api.post("rules", RULE | {"interval": 20, "delay": 2, "flapping_threshold": 0, "actions": links})
    assert made.status == 201
    assert made.body["actions"] == links
    assert (made.body["interval"], made.body["delay"], made.body["flapping_look_back"]) == (20, 2, 20)
    assert made.body["next_run_at"] is not None
    assert (made.body["last_run"]["number"], made.body["last_run"]["outcome"]) == (0, "")
    again = api.put("rules/down", made.body)
    assert again.status == 200
    volatile = ("version", "updated_at")
    assert {k: v for k, v in again.body.items() if k not in volatile} == {
        k: v for k, v in made.body.items() if k not in volatile
    }


def test_it_has_its_type_s_interval_where_it_names_none(api: Api) -> None:
    assert api.post("rules", RULE).body["interval"] == 30


@pytest.mark.usefixtures("actions")
@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"interval": 9}, "/interval"),
        ({"interval": 86401}, "/interval"),
        ({"interval": "60"}, "/interval"),
        ({"delay": 0}, "/delay"),
        ({"delay": 101}, "/delay"),
        ({"flapping_look_back": 0}, "/flapping_look_back"),
        ({"flapping_look_back": 3, "flapping_threshold": 4}, "/flapping_threshold"),
        ({"params": {"for_seconds": -1}}, "/params/for_seconds"),
        ({"actions": [7]}, "/actions/0"),
        ({"actions": ["nobody"]}, "/actions/0"),
        ({"actions": ["call", "call"]}, "/actions/1"),
        ({"actions": [{"group": "recovered"}]}, "/actions/0/id"),
        ({"actions": [{"id": "call", "group": "hot"}]}, "/actions/0/group"),
        ({"actions": [{"id": "call", "frequency": "often"}]}, "/actions/0/frequency"),
        ({"actions": [{"id": "call", "frequency": "interval"}]}, "/actions/0/throttle"),
        ({"actions": [{"id": "call", "throttle": 60}]}, "/actions/0/throttle"),
        ({"actions": [{"id": "call", "frequency": "summary", "throttle": 0}]}, "/actions/0/throttle"),
        ({"actions": [{"id": "call", "frequency": "summary", "group": "recovered"}]}, "/actions/0/group"),
        ({"actions": [{"id": "call", "condition": "event.data ="}]}, "/actions/0/condition"),
        ({"actions": ["calm", {"id": "call", "time_frame": FRAME | {"days": []}}]}, "/actions/1/time_frame/days"),
        ({"actions": [{"id": "call", "time_frame": FRAME | {"day": 1}}]}, "/actions/0/time_frame/day"),
        ({"actions": [{"id": "call", "time_frame": FRAME | {"hours": NEVER}}]}, "/actions/0/time_frame/hours"),
        (
            {"actions": [{"id": "call", "time_frame": FRAME | {"timezone": "Etc/Bogus"}}]},
            "/actions/0/time_frame/timezone",
        ),
        ({"actions": [{"id": "call", "condition": "true"}, {"id": "call", "condition": "false"}]}, "/actions/1"),
        ({"actions": [{"id": "call", "colour": "red"}]}, "/actions/0/colour"),
        ({"rule_type_id": "event", "interval": 60}, "/interval"),
        ({"rule_type_id": "event", "actions": [{"id": "call", "group": "recovered"}]}, "/actions/0"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(api: Api, wrong: dict[str, Any], pointer: str) -> None:
    answer = api.post("rules", RULE | wrong)
    assert answer.status == 400
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]


def test_a_rule_of_events_has_no_runs(api: Api) -> None:
    made = api.post("rules", {"name": "All"})
    assert (made.body["interval"], made.body["last_run"], made.body["next_run_at"]) == (None, None, None)


def test_a_disabled_rule_has_no_next_run_and_its_alerts_are_not_tracked(api: Api, space: Space) -> None:
    api.post("rules", RULE)
    run = RuleRun.objects.get()
    Alert.objects.create(
        space=space,
        rule=run.rule,
        rule_public_id="down",
        key="desk",
        group="disconnected",
        state="active",
        since=run.rule.created_at,
    )
    assert api.get("alerts", state="active", rule="down").body["results"][0]["key"] == "desk"
    assert api.patch("rules/down", {"enabled": False}).body["next_run_at"] is None
    (alert,) = api.get("alerts").body["results"]
    assert (alert["state"], alert["ended_at"] is not None) == ("untracked", True)
    assert api.get(f"alerts/{alert['id']}").body == alert


def test_the_types_say_whether_their_rules_run_by_themselves(api: Api) -> None:
    found = {each["id"]: each for each in api.get("rule-types").body}
    assert (found["event"]["is_scheduled"], found["event"]["usual_interval"]) == (False, None)
    assert found["connector_health"]["action_groups"] == {"disconnected": "Disconnected"}


@pytest.mark.usefixtures("actions")
def test_an_export_brings_all_of_it_into_another_space(api: Api, other_space: Space) -> None:
    link = {"id": "calm", "group": "", "frequency": "summary", "throttle": 60}
    links = ["call", {**link, "condition": "event.data.alert.flapping", "time_frame": FRAME}]
    api.post("rules", RULE | {"interval": 20, "delay": 2, "actions": links})
    file = api.fetch("POST", "exports", b"{}").content
    there = Api(other_space)
    assert there.send_raw("POST", "imports", file, "application/x-ndjson", None).status == 200
    brought = there.get("rules/down").body
    assert (brought["actions"], brought["interval"], brought["delay"]) == (links, 20, 2)
