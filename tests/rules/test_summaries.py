"""Summaries tell of all that happened, once: over runs, restarts and crashes, in their time frame, by condition."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.models import Action, Delivery
from rules.alerts.cycle import Change
from rules.alerts.summaries import MOST_LISTED, Gathered
from rules.links import Link
from rules.models import Alert, GatheredSummary, Rule, RuleAction, RuleRun
from rules.scheduling import running
from rules.scheduling.due import give_back
from rules.scheduling.running import run_rule
from rules.services import update_rule
from rules.services.silences import mute_rule, unmute_rule
from rules.types.base import Finding
from spaces.models import Space
from tests.factories import make_action, make_connector
from tests.rules.scheduled import claim, make_scheduled

BOILER, PUMP = Finding("boiler", "high", 95), Finding("pump", "low", 5)
NAMED = " {{% for alert in alerts.{}.data %}}{{{{ alert.key }}}} {{% endfor %}}"
KEYS = {name: NAMED.format(name) for name in ("new", "ongoing", "recovered")}
COUNTS = "{{ alerts.all.count }} {{ alert is none }}"

# What each run does to each of five things: nothing is known of it, it is found, or it is not.
RUNS = st.lists(st.tuples(st.integers(1, 40), st.frozensets(st.integers(0, 4))), max_size=15)


@given(runs=RUNS, throttle=st.sampled_from([None, 30, 100]), is_stored=st.booleans())
@settings(max_examples=60, deadline=None)
def test_what_summaries_tell_is_what_happened(
    runs: list[tuple[int, frozenset[int]]], throttle: int | None, is_stored: bool
) -> None:
    now, lives, gathered = 0, Counter[int](), Gathered()
    happened: dict[str, list[str]] = {"new": [], "recovered": []}
    told: dict[str, list[str]] = {"new": [], "recovered": []}
    before: frozenset[int] = frozenset()
    since_last: set[str] = set()
    for seconds, found in runs:
        now += seconds
        gathered = Gathered.of(gathered.stored()) if is_stored else gathered
        gathered.ongoing.count, gathered.ongoing.data = 0, []
        for thing in sorted(found | before):
            lives[thing] += thing in found - before
            uuid = f"{thing}/{lives[thing]}"
            change = (
                Change.ONGOING if thing in before & found else Change.OPENED if thing in found else Change.RECOVERED
            )
            if change is not Change.ONGOING:
                happened["new" if change is Change.OPENED else "recovered"].append(uuid)
                since_last.add(uuid)
            gathered.add(change, {"uuid": uuid})
        before = found
        if not gathered.is_due(now, throttle):
            assert throttle is not None or not (found or since_last)
            continue
        said = gathered.alerts()
        uuids = {name: [each["uuid"] for each in said[name]["data"]] for name in said}
        assert {name: len(listed) for name, listed in uuids.items()} == {name: said[name]["count"] for name in said}
        assert any(said[name]["count"] for name in said)
        told["new"] += uuids["new"]
        told["recovered"] += uuids["recovered"]
        active = {f"{thing}/{lives[thing]}" for thing in found}
        assert set(uuids["ongoing"]) == active - since_last
        assert set(uuids["all"]) == active | since_last
        gathered, since_last = Gathered(now), set()
    left = gathered.alerts()
    for name in told:
        assert told[name] + [each["uuid"] for each in left[name]["data"]] == happened[name]


def test_lists_are_bounded_and_counts_are_not() -> None:
    gathered = Gathered()
    for number in range(MOST_LISTED + 1):
        gathered.add(Change.OPENED, {"uuid": str(number)})
        gathered.add(Change.RECOVERED, {"uuid": str(number)})
        gathered.add(Change.ONGOING, {"uuid": f"old/{number}"})
    said = gathered.alerts()
    assert {name: (part["count"], len(part["data"])) for name, part in said.items()} == {
        "new": (101, 100),
        "ongoing": (101, 100),
        "recovered": (101, 100),
        "all": (202, 100),
    }


def make_hearer(space: Space, body: dict[str, str]) -> Action:
    return make_action(make_connector(space, enabled=False), params={"body": body})


def summarising(space: Space, **terms: Any) -> Rule:
    link = Link(make_hearer(space, {**KEYS, "all": COUNTS}), frequency="summary", **terms)
    return make_scheduled(space, actions=[link], flapping_threshold=0)


def told(rule: Rule, sample: Any, *findings: Finding) -> list[Any]:
    """Let the rule find this; return what is sent, or the cause why it is not."""
    sample.find(*findings)
    before = set(Delivery.objects.values_list("pk", flat=True))
    assert run_rule(claim(rule))
    made = Delivery.objects.exclude(pk__in=before).order_by("pk")
    return [row.last_reason or _in_order(row.message["body"]) for row in made]


def _in_order(body: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(body[name]).strip() for name in (*KEYS, "change", "all") if name in body)


def pass_seconds(rule: Rule, seconds: int) -> None:
    (row,) = rule.summaries.all()
    row.gathered["told_at"] -= seconds
    row.save()


def frame(*, is_open: bool) -> dict[str, Any]:
    day = datetime.now(UTC)
    days = [(day + timedelta(days=ahead)).isoweekday() for ahead in ((-1, 0, 1) if is_open else (3,))]
    return {"days": days, "hours": {"start": "00:00", "end": "24:00"}, "timezone": "UTC"}


@pytest.mark.django_db
def test_one_message_tells_of_all_alerts_of_a_run_and_none_where_there_are_none(space: Space, sample: Any) -> None:
    rule = summarising(space)
    assert told(rule, sample) == []
    assert told(rule, sample, BOILER, PUMP) == [("boiler pump", "", "", "2 true")]
    assert told(rule, sample, BOILER) == [("", "boiler", "pump", "2 true")]
    assert told(rule, sample) == [("", "", "boiler", "1 true")]
    assert told(rule, sample) == []


@pytest.mark.django_db
def test_over_an_interval_it_gathers_and_a_run_that_crashed_is_neither_lost_nor_told_twice(
    space: Space, sample: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = summarising(space, throttle=600)
    assert told(rule, sample, BOILER) == [("boiler", "", "", "1 true")]
    assert told(rule, sample, BOILER, PUMP) == []
    pass_seconds(rule, 601)
    sample.find(BOILER)
    claimed = claim(rule)
    with monkeypatch.context() as crash:
        # The last thing that the transaction does.
        crash.setattr(running, "_log", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_rule(claimed)
    give_back([claimed])
    assert Delivery.objects.count() == 1
    assert told(rule, sample, BOILER) == [("pump", "boiler", "pump", "2 true")]
    assert told(rule, sample, BOILER) == []
    # The same list of actions, and another one, that has the summary still.
    update_rule(rule, actions=[Link(link.action, frequency="summary", throttle=600) for link in rule.links.all()])
    update_rule(rule, actions=[Link(link.action, frequency="summary", throttle=900) for link in rule.links.all()])
    assert told(rule, sample) == []
    pass_seconds(rule, 901)
    assert told(rule, sample) == [("", "", "boiler", "1 true")]
    update_rule(rule, params={"place": "there"})
    assert not GatheredSummary.objects.exists()


@pytest.mark.django_db
def test_it_is_of_the_alerts_that_meet_its_condition(space: Space, sample: Any) -> None:
    rule = summarising(space, condition="event.data.alert.value > 50")
    assert told(rule, sample, BOILER, PUMP) == [("boiler", "", "", "1 true")]
    assert told(rule, sample, PUMP) == [("", "", "boiler", "1 true")]
    assert told(rule, sample, PUMP, Finding("valve", "low", "hot")) == []
    run = RuleRun.objects.get(rule=rule)
    assert (run.outcome, "The condition of the action" in run.detail) == ("warning", True)


@pytest.mark.django_db
def test_it_waits_for_its_time_frame_and_for_the_end_of_a_silence(space: Space, sample: Any) -> None:
    rule = summarising(space, time_frame=frame(is_open=False))
    assert told(rule, sample, BOILER) == []
    RuleAction.objects.update(time_frame=frame(is_open=True))
    mute_rule(rule)
    assert told(rule, sample, BOILER, PUMP) == []
    unmute_rule(rule)
    assert told(rule, sample, BOILER, PUMP) == [("boiler pump", "", "", "2 true")]


@pytest.mark.django_db
@pytest.mark.parametrize(("frequency", "throttle"), [("change", None), ("interval", 3600)])
def test_what_opens_outside_a_time_frame_is_suppressed_and_told_once_it_begins(
    space: Space, sample: Any, frequency: str, throttle: int | None
) -> None:
    action = make_hearer(space, {"change": "{{ alert.change }}", "all": "{{ alerts is none }}"})
    link = Link(action, "", frequency, throttle, "event.data.alert.value > 50", frame(is_open=False))
    rule = make_scheduled(space, actions=[link])
    assert told(rule, sample, BOILER, PUMP) == ["time_frame"]
    assert told(rule, sample, BOILER, PUMP) == []
    RuleAction.objects.update(time_frame=frame(is_open=True))
    assert told(rule, sample, BOILER, PUMP) == [("ongoing", "True")]
    assert told(rule, sample, BOILER, PUMP) == []
    assert [alert.told.keys() for alert in Alert.objects.filter(key="pump")] == [{}.keys()]
