"""What the API tells of how a rule is doing, and copies of rules and actions."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from rules.history.counting import write_counts
from rules.history.records import RuleTrouble, RunRecord
from rules.models import Rule, RuleRun
from spaces.models import Space
from tests.api.client import Api, make_run
from tests.factories import make_action, make_connector, make_rule

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def make_trouble(rule: Rule, **values: Any) -> RuleTrouble:
    defaults = {
        "failures": 3,
        "count": 7,
        "last_at": timezone.now(),
        "part": "condition",
        "detail": "It divides by zero.",
    }
    return RuleTrouble.objects.create(rule=rule, **defaults | values)


def count(rule: Rule, at: datetime, kind: Any, amount: int) -> None:
    minute = int(at.timestamp()) // 60 * 60
    write_counts(Counter({(minute, rule.space_id, rule.public_id, kind): amount}))


def test_runs_are_listed_page_by_page_and_by_outcome(api: Api, space: Space, other_space: Space) -> None:
    rule = make_rule(space, public_id="one")
    make_run(make_rule(space, public_id="other"))
    make_run(make_rule(other_space, public_id="theirs"))
    for number in range(1, 6):
        outcome = "failed" if number == 2 else "succeeded"
        make_run(rule, number=number, outcome=outcome, reason="timeout" if number == 2 else "", found=number)
    numbers: list[int] = []
    page = api.get("rules/one/runs", page_size="2")
    while True:
        numbers += [run["number"] for run in page.body["results"]]
        if page.body["next"] is None:
            break
        page = api.get(page.body["next"].removeprefix("http://testserver"))
    assert numbers == [5, 4, 3, 2, 1]
    (failed,) = api.get("rules/one/runs", outcome="failed").body["results"]
    assert (failed["number"], failed["reason"], failed["found"]) == (2, "timeout", 2)
    assert api.get("rules/one/runs", outcome="good").parameters == ["outcome"]
    assert api.get("rules/one/runs", rule="two").parameters == ["rule"]
    assert api.get("rules/theirs/runs").status == 404


@pytest.mark.parametrize(("filters", "index"), [({}, "run_of_rule"), ({"outcome": "failed"}, "run_of_rule_by_outcome")])
def test_the_runs_of_a_rule_are_read_by_an_index(space: Space, filters: dict[str, str], index: str) -> None:
    rule = make_rule(space)
    plan = RunRecord.objects.filter(rule=rule, **filters).order_by("-id")[:51].explain()
    if connection.vendor == "sqlite":
        assert index in plan
        assert "TEMP B-TREE" not in plan


def test_rules_tell_how_they_are_doing_and_are_found_by_it(api: Api, space: Space) -> None:
    make_rule(space, public_id="fine")
    make_rule(space, public_id="off", enabled=False)
    make_trouble(make_rule(space, public_id="broken"), action="tell", part="message")
    make_trouble(make_rule(space, public_id="shaky"), failures=0)
    watching: dict[str, Any] = {"type": "connector_health", "params": {}}
    for name, state in {
        "new": {},
        "warned": {"number": 1, "outcome": "warning", "detail": "Half."},
        "stuck": {"number": 9, "outcome": "failed", "reason": "timeout", "detail": "Slow.", "failures": 4},
    }.items():
        rule = make_rule(space, public_id=name, **watching)
        RuleRun.objects.filter(rule=rule).update(**state, ended_at=timezone.now())
    found = {row["id"]: row["status"] for row in api.get("rules").body["results"]}
    assert found == {
        **{"fine": "ok", "off": "disabled", "broken": "failing", "shaky": "warning"},
        **{"new": "pending", "warned": "warning", "stuck": "failing"},
    }
    assert sorted(api.get("rules", status="failing").ids) == ["broken", "stuck"]
    assert api.get("rules", status="bad").parameters == ["status"]
    error = api.get("rules/broken").body["last_error"]
    assert (error["part"], error["action"], error["detail"]) == ("message", "tell", "It divides by zero.")
    error = api.get("rules/stuck").body["last_error"]
    assert (error["part"], error["reason"], error["count"], error["action"]) == ("run", "timeout", 4, None)
    assert api.get("rules/fine").body["last_error"] is None
    assert api.patch("rules/broken", {"name": "Mended"}).body["status"] == "ok"


def test_counts_are_told_with_a_rule_and_over_time(api: Api, space: Space) -> None:
    rule, now = make_rule(space, public_id="one"), datetime.now(UTC)
    make_rule(space, public_id="idle")
    count(rule, now, "matched", 3)
    count(rule, now, "delivered", 2)
    count(rule, now - 3 * HOUR, "matched", 4)
    count(rule, now - 30 * HOUR, "failed", 5)
    nothing = {"matched": 0, "delivered": 0, "failed": 0, "suppressed": 0}
    recent = {**nothing, "matched": 7, "delivered": 2}
    assert {row["id"]: row["counts"] for row in api.get("rules").body["results"]} == {"one": recent, "idle": nothing}
    usual = api.get("rules/one/metrics").body
    assert (usual["step"], usual["totals"]) == ("hour", recent)
    assert [bucket["matched"] for bucket in usual["buckets"] if bucket["matched"]] == [4, 3]
    assert len(usual["buckets"]) in (24, 25)
    since = (now - 48 * HOUR).isoformat()
    assert api.get("rules/one/metrics", **{"from": since}).body["totals"] == {**recent, "failed": 5}
    assert api.get("rules/one/metrics", step="day").body["totals"] == {**recent, "failed": 5}
    assert api.get("rules/one/metrics", step="minute").body["totals"] == {**nothing, "matched": 3, "delivered": 2}


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"step": "week"}, "step"),
        ({"from": "yesterday"}, "from"),
        ({"to": "0001-01-01T00:00:00+23:00"}, "to"),
        ({"from": "9999-12-31T23:59:59Z"}, "from"),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "from"),
        ({"to": "0001-01-01T00:00:00Z"}, "from"),
        ({"from": "2020-01-01T00:00:00Z", "step": "minute"}, "step"),
        ({"from": "0001-01-01T00:00:00Z", "step": "day"}, "step"),
        ({"since": "1"}, "since"),
    ],
)
def test_a_time_that_cannot_be_shown_is_refused(api: Api, space: Space, query: dict[str, str], wrong: str) -> None:
    make_rule(space, public_id="one")
    answer = api.get("rules/one/metrics", **query)
    assert (answer.status, answer.parameters) == (400, [wrong])


def test_the_ends_of_the_calendar_can_be_asked_for(api: Api, space: Space) -> None:
    make_rule(space, public_id="one")
    query = {"from": "0001-01-01T00:00:00Z", "to": "0001-01-03T00:00:00Z", "step": "day"}
    assert len(api.get("rules/one/metrics", **query).body["buckets"]) == 2
    assert api.get("rules/one/metrics", to="9999-12-31T23:59:59Z").status == 200


def test_rules_and_actions_are_copied(api: Api, space: Space) -> None:
    action = make_action(make_connector(space), public_id="tell", max_attempts=3, params={"body": {"a": "b"}})
    make_rule(space, public_id="one", name="One", condition="event.data.a == 1", actions=[action])
    copied = api.post("rules/one/duplicate", {})
    assert (copied.status, copied.headers["Location"]) == (201, f"{api.root}rules/{copied.body['id']}")
    assert (copied.body["name"], copied.body["enabled"], copied.body["actions"]) == ("One (copy)", False, ["tell"])
    assert copied.body["condition"] == "event.data.a == 1"
    assert api.post("rules/one/duplicate", {"id": "one"}).places == ["/id"]
    copied = api.post("actions/tell/duplicate", {"id": "tell-2", "name": "Second"})
    assert copied.status == 201
    kept = ("connector", "params", "max_attempts", "retry", "enabled")
    former = api.get("actions/tell").body
    assert {name: copied.body[name] for name in kept} == {name: former[name] for name in kept}
    assert (copied.body["id"], copied.body["referenced_by_count"]) == ("tell-2", 0)
