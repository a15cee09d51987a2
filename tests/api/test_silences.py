"""Silences over the API: set, read back, refused at their place, and carried from one space to another."""

from typing import Any

import pytest
from django.utils import timezone

from rules.models import Alert, AlertMute, MaintenanceWindow, Rule
from spaces.models import Space
from tests.api.client import Api, make_alert
from tests.factories import make_rule, make_space, make_window

pytestmark = pytest.mark.django_db

RECURRING = {"every": "1w", "on_week_day": ["SU"], "on_month_day": [], "end": None, "occurrences": None}
WEEKLY = {"start": "2199-01-06T01:00:00Z", "duration": 7200, "timezone": "Europe/Berlin", "recurring": RECURRING}


@pytest.fixture
def rule(space: Space) -> Rule:
    return make_rule(space, public_id="own")


def test_a_rule_is_muted_and_unmuted(api: Api, rule: Rule) -> None:
    before = api.get("rules/own").body
    muted = api.post("rules/own/mute", None)
    assert (muted.status, muted.body["mute_all"], muted.body["version"]) == (200, True, before["version"] + 1)
    assert muted.headers["ETag"] == api.get("rules/own").headers["ETag"]
    # What is no change is none.
    assert api.post("rules/own/mute", {}).body == muted.body
    assert api.post("rules/own/unmute", None).body["mute_all"] is False
    # A form that knows nothing of it, or sends back what it read, leaves it alone.
    api.post("rules/own/mute", None)
    assert api.put("rules/own", {**before, "mute_all": False}).body["mute_all"] is True


def test_a_rule_is_snoozed_at_times_that_are_read_back(api: Api, rule: Rule) -> None:
    now = api.post("rules/own/snooze", {"duration": 3600})
    assert now.status == 200
    (snooze,) = now.body["snooze_schedule"]
    assert (snooze["duration"], snooze["timezone"], snooze["recurring"]) == (3600, "UTC", None)
    assert now.body["is_snoozed_until"] > snooze["start"]
    both = api.post("rules/own/snooze", {"id": "sundays", **WEEKLY}).body["snooze_schedule"]
    assert both == [snooze, {"id": "sundays", **WEEKLY}]
    assert api.get("rules").body["results"][0]["snooze_schedule"] == both
    left = api.post("rules/own/unsnooze", {"ids": [snooze["id"]]}).body
    assert (left["snooze_schedule"], left["is_snoozed_until"]) == ([{"id": "sundays", **WEEKLY}], None)
    assert api.post("rules/own/unsnooze", {}).body["snooze_schedule"] == []


@pytest.mark.parametrize(
    ("path", "body", "places"),
    [
        ("rules/own/mute", {"until": 1}, ["/until"]),
        ("rules/own/snooze", {}, ["/duration"]),
        ("rules/own/snooze", {"duration": "1h"}, ["/duration"]),
        ("rules/own/snooze", {"duration": 59}, ["/duration"]),
        ("rules/own/snooze", {"duration": 60, "start": "soon"}, ["/start"]),
        ("rules/own/snooze", {"duration": 60, "start": "2026-01-01T00:00:00"}, ["/start"]),
        ("rules/own/snooze", {"duration": 60, "timezone": "Nowhere"}, ["/timezone"]),
        ("rules/own/snooze", {"duration": 60, "id": "No"}, ["/id"]),
        ("rules/own/snooze", {"duration": 60, "recurring": {"every": "1y"}}, ["/recurring/every"]),
        (
            "rules/own/snooze",
            {"duration": 60, "recurring": {"every": "1M", "on_month_day": [0]}},
            ["/recurring/on_month_day/0"],
        ),
        ("rules/own/snooze", {"duration": 60, "recurring": {"every": "1d", "by": 1}}, ["/recurring/by"]),
        ("rules/own/unsnooze", {"ids": ["gone"]}, ["/ids/0"]),
        ("maintenance-windows", {"name": "x"}, ["/schedule"]),
        ("maintenance-windows", {"name": "x", "schedule": {**WEEKLY, "timezone": "a\0"}}, ["/schedule/timezone"]),
        ("maintenance-windows", {"name": "x", "schedule": WEEKLY, "condition": "1 +"}, ["/condition"]),
        ("maintenance-windows", {"name": "x", "schedule": WEEKLY, "rules": ["gone"]}, ["/rules/0"]),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(
    api: Api, rule: Rule, path: str, body: dict[str, Any], places: list[str]
) -> None:
    answer = api.post(path, body)
    assert (answer.status, answer.places) == (400, places)


def test_an_alert_is_acknowledged_and_its_key_muted(api: Api, space: Space) -> None:
    rule = make_rule(space, public_id="boilers", type="connector_health")
    alert = make_alert(space, rule=rule, rule_public_id=rule.public_id, state="active", key="boiler")
    said = api.post(f"alerts/{alert.pk}/acknowledge", {"note": "On my way."}).body
    assert (said["acknowledgement_note"], bool(said["acknowledged_by"]), said["is_muted"]) == (
        "On my way.",
        True,
        False,
    )
    assert api.post(f"alerts/{alert.pk}/unacknowledge", None).body["acknowledged_at"] is None
    assert api.post(f"alerts/{alert.pk}/mute", None).body["is_muted"] is True
    assert api.get("rules/boilers").body["muted_alert_ids"] == ["boiler"]
    Alert.objects.filter(pk=alert.pk).update(state="recovered", ended_at="2026-01-01T00:00:00Z")
    assert api.get(f"alerts/{alert.pk}").body["is_muted"] is True
    assert api.post(f"alerts/{alert.pk}/acknowledge", {}).status == 409
    assert api.post(f"alerts/{alert.pk}/unmute", None).body["is_muted"] is False
    assert not AlertMute.objects.exists()


def test_a_window_tells_whether_it_is_open(api: Api, space: Space) -> None:
    make_window(space, public_id="over")
    api.post("maintenance-windows", {"id": "sundays", "name": "Sundays", "schedule": WEEKLY})
    api.post("maintenance-windows", {"id": "off", "name": "Off", "schedule": WEEKLY, "enabled": False})
    make_window(space, public_id="now", schedule={"start": timezone.now().isoformat(), "duration": 3600})
    shown = {
        each["id"]: (each["status"], each["next_start_at"]) for each in api.get("maintenance-windows").body["results"]
    }
    assert shown["now"] == ("running", None)
    assert shown["over"] == ("finished", None)
    assert shown["off"] == ("disabled", None)
    assert shown["sundays"] == ("upcoming", "2199-01-06T01:00:00Z")


def test_silences_travel_with_what_they_are_about(api: Api, space: Space, rule: Rule) -> None:
    api.post("rules/own/mute", None)
    api.post("rules/own/snooze", {"id": "sundays", **WEEKLY})
    api.post(
        "maintenance-windows", {"id": "patching", "name": "P", "schedule": WEEKLY, "rules": ["own"], "tags": ["t"]}
    )
    gone = make_rule(space, public_id="gone")
    api.patch("maintenance-windows/patching", {"rules": ["own", "gone"]})
    gone.delete()
    lines = api.fetch("POST", "exports", b"{}")
    elsewhere = Api(make_space())
    assert elsewhere.send_raw("POST", "imports", lines.content, "application/x-ndjson").status == 200
    moved = elsewhere.get("rules/own").body
    assert (moved["mute_all"], moved["snooze_schedule"]) == (True, [{"id": "sundays", **WEEKLY}])
    there = elsewhere.get("maintenance-windows/patching").body
    assert (there["rules"], there["tags"], there["schedule"]) == (["own"], ["t"], WEEKLY)
    assert MaintenanceWindow.objects.count() == 2
