"""The rule type ``threshold``: what the events of a window come to has an alert while it is as the rule asks."""

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from rules.evaluation import gathering
from rules.evaluation.envelope import read_events
from rules.evaluation.rounds import evaluate_round, match_event
from rules.evaluation.ruleset import RuleSet
from rules.models import Alert, Bucket, Event, EventBatch, Rule, RuleRun
from rules.scheduling.running import run_rule
from rules.services import delete_rule, update_rule
from rules.services.accept import accept_events
from rules.services.retention import drop_lost_buckets
from rules.types.threshold import buckets
from rules.types.threshold.aggregates import PLAIN
from rules.types.threshold.summing import Sums
from spaces.errors import InvalidInput
from spaces.models import Space
from tests.factories import make_action, make_connector, make_rule, make_space
from tests.receiver import Receiver
from tests.rules.running import incoming, run
from tests.rules.scheduled import HOUR, alerts, bodies, claim, make_hearer, make_scheduled, run_now

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sound_pipeline", "nothing_told_yet")]

ALL = ("events", "threshold_met", "active")


def make_threshold(space: Space, *, condition: str = "", actions: Any = (), **params: Any) -> Rule:
    """Make a rule that knows a whole window, unless its ``is_new`` is set."""
    is_new = params.pop("is_new", False)
    rule = make_scheduled(
        space,
        type_="threshold",
        interval=HOUR,
        condition=condition,
        actions=actions,
        params={"event_types": ["test.*"], "threshold": 5, **params},
    )
    # Its first run is when the test says, not that of another rule.
    RuleRun.objects.filter(rule=rule).update(next_at=timezone.now() + timedelta(hours=1))
    if not is_new:
        now = timezone.now().timestamp()
        RuleRun.objects.filter(rule=rule).update(memory={"since": now - 8 * 86400, "ran": now, "groups": {}})
    return rule


def come(space: Space, *data: dict[str, Any], type_: str = "test.ping") -> None:
    accept_events(space.pk, [incoming(type_=type_, data=each) for each in data])
    run()


def let_pass(seconds: int) -> None:
    """Move all that rules know of time so far back."""
    Bucket.objects.update(start=F("start") - seconds)
    for state in RuleRun.objects.exclude(memory={}):
        memory = state.memory
        memory = {**memory, "since": memory["since"] - seconds, "ran": memory["ran"] - seconds}
        memory["groups"] = {group: seen - seconds for group, seen in memory["groups"].items()}
        RuleRun.objects.filter(pk=state.pk).update(memory=memory)


def counted(rule: Rule) -> float | None:
    """Return what the whole of the rule's buckets comes to."""
    window = Sums(PLAIN["count"])
    for row in buckets.read(rule.pk, Rule.objects.get(pk=rule.pk).epoch, 0, 2**60):
        window.merge(row.data)
    return window.groups["events"].result() if window.groups else None


def test_each_aggregate_of_the_events_that_meet_the_condition_is_compared(space: Space) -> None:
    around = {"threshold": 20, "upper_threshold": 30}
    wanted: list[tuple[dict[str, Any], float | None]] = [
        ({"aggregate": "count", "field": "", "comparator": ">=", "threshold": 5}, 5),
        ({"aggregate": "count", "field": "", "comparator": ">", "threshold": 5}, None),
        ({"aggregate": "sum", "comparator": ">", "threshold": 99.5}, 100),
        ({"aggregate": "avg", "comparator": "between", **around}, 20),
        ({"aggregate": "avg", "comparator": "not_between", **around}, None),
        ({"aggregate": "avg", "comparator": "outside", **around}, 20),
        ({"aggregate": "min", "comparator": "<=", "threshold": 10}, 10),
        ({"aggregate": "max", "comparator": "<", "threshold": 30}, None),
        ({"aggregate": "max", "comparator": "<", "threshold": 30.5}, 30),
        ({"aggregate": "distinct", "comparator": ">=", "threshold": 2, "field": "data.site"}, 2),
        ({"aggregate": "percentile", "percentile": 50, "comparator": ">", "threshold": 19}, 20),
    ]
    rules = [
        make_threshold(space, condition="event.data.t > 0", **{"field": "data.t", **params}) for params, _ in wanted
    ]
    come(space, *({"t": t, "site": site} for t, site in zip((10, 15, 20, 25, 30), "aabba", strict=True)))
    come(space, {"t": -50, "site": "c"}, {"site": "d"})
    come(space, {"t": 99}, type_="other.ping")
    come(make_space(), {"t": 99})
    for rule, (params, value) in zip(rules, wanted, strict=True):
        assert run_now(rule).outcome == "succeeded"
        found = Alert.objects.filter(rule=rule).values_list("value", flat=True)
        assert list(found) == ([] if value is None else [pytest.approx(value, rel=0.01)]), params


def test_an_alert_says_what_was_found_and_ends_with_the_window(space: Space, to: Receiver) -> None:
    hearer = make_hearer(space, to, value="{{ alert.value }}", said="{{ alert.summary }}")
    rule = make_threshold(
        space, actions=[hearer], aggregate="avg", field="data.t", threshold=30, window=300, group_by=["data.site"]
    )
    come(space, {"t": 31.15, "site": "site-7"}, {"t": 31.25, "site": "site-7"}, {"t": 12, "site": "site-8"})
    run_now(rule)
    assert alerts(rule) == [("site-7", "threshold_met", "active")]
    assert [(body["value"], body["said"]) for body in bodies(to)] == [
        (31.2, "The average of data.t was 31.2 over 5 min, above 30, for site-7.")
    ]
    let_pass(200)
    come(space, {"t": 10, "site": "site-7"})
    run_now(rule)
    assert Alert.objects.get().summary == "The average of data.t was 24.1333 over 5 min, not above 30, for site-7."
    let_pass(400)
    run_now(rule)
    assert alerts(rule) == [("site-7", "threshold_met", "recovered")]


def test_that_few_events_came_is_found_once_a_whole_window_is_known(space: Space) -> None:
    rule = make_threshold(space, comparator="<", window=600, is_new=True)
    run_now(rule)
    let_pass(500)
    run_now(rule)
    assert alerts(rule) == []
    let_pass(101)
    run_now(rule)
    assert alerts(rule) == [ALL]
    assert Alert.objects.get().value == 0
    come(space, *[{}] * 5)
    run_now(rule)
    assert alerts(rule) == [("events", "threshold_met", "recovered")]


def test_a_new_rule_finds_at_once_that_many_came_and_lets_nothing_recover(space: Space) -> None:
    rule = make_threshold(space, comparator="outside", threshold=3, upper_threshold=5, window=60, is_new=True)
    come(space, *[{}] * 5)
    run_now(rule)
    assert alerts(rule) == [ALL]
    Bucket.objects.all().delete()
    run_now(rule)
    assert alerts(rule) == [ALL]


def test_a_group_that_came_once_counts_0_until_it_is_forgotten(space: Space) -> None:
    rule = make_threshold(space, comparator="<", threshold=2, window=60, group_by=["data.site"], forget_after=HOUR)
    come(space, {"site": "a"}, {"site": "a"}, {"site": "b"})
    run_now(rule)
    assert alerts(rule) == [("b", "threshold_met", "active")]
    let_pass(100)
    run_now(rule)
    assert [(alert.key, alert.value) for alert in Alert.objects.order_by("key")] == [("a", 0), ("b", 0)]
    let_pass(HOUR)
    Rule.objects.update(interval=2 * HOUR)
    run_now(rule)
    assert {state for _, _, state in alerts(rule)} == {"recovered"}
    assert RuleRun.objects.get(rule=rule).memory["groups"] == {}


def test_a_window_without_events_has_no_such_value(space: Space) -> None:
    for aggregate in ("avg", "min", "max", "percentile"):
        rule = make_threshold(space, aggregate=aggregate, field="data.t", comparator="<", threshold=1)
        run_now(rule)
        assert alerts(rule) == []


def test_only_the_largest_groups_are_looked_at(space: Space) -> None:
    rule = make_threshold(space, comparator=">", threshold=0, group_by=["data.site"], top=2)
    come(space, *({"site": site} for site in "abbccc"))
    run_now(rule)
    assert sorted(key for key, _, _ in alerts(rule)) == ["b", "c"]
    come(space, *({"site": site} for site in "aaa"))
    run_now(rule)
    assert sorted((key, state) for key, _, state in alerts(rule)) == [
        ("a", "active"),
        ("b", "recovered"),
        ("c", "active"),
    ]


def test_what_has_no_number_is_warned_of(space: Space) -> None:
    rule = make_threshold(space, aggregate="sum", field="data.t", threshold=1)
    come(space, {"t": "hot"}, {"t": True}, {}, {"t": 2})
    state = run_now(rule)
    assert (state.outcome, state.detail) == ("warning", "3 events had no number in data.t: they do not count.")
    assert alerts(rule) == [ALL]


def test_the_installation_s_own_events_count_where_their_types_are_named(space: Space) -> None:
    any_type, named = (make_threshold(space, event_types=types, threshold=0) for types in ([], ["switchyard.alert.*"]))
    trigger = make_threshold(space, threshold=0)
    come(space, {})
    run_now(trigger)
    run_now(any_type)
    run_now(named)
    assert Alert.objects.get(rule=any_type).value == 1
    assert Alert.objects.get(rule=named).value == 2


# --- Time ---


def test_an_event_counts_when_it_was_received_whatever_its_own_time(space: Space) -> None:
    rule = make_threshold(space, threshold=0, window=60)
    come(space, {})  # its time is long ago
    late = incoming()
    (accepted,) = accept_events(space.pk, [late])
    Event.objects.filter(pk=accepted.id).update(received_at=F("received_at") - timedelta(seconds=90))
    run()
    run_now(rule)
    assert (Alert.objects.get().value, counted(rule)) == (1, 2)


def test_after_the_clock_was_set_back_the_window_begins_anew(space: Space) -> None:
    many, few = make_threshold(space, threshold=0), make_threshold(space, comparator="<", threshold=1)
    come(space, {})
    for rule in (many, few):
        run_now(rule)
    let_pass(-HOUR)  # what was an hour to come
    for rule in (many, few):
        assert run_now(rule).detail == "The database's clock was set back: the window begins anew."
    assert (alerts(many), alerts(few)) == ([ALL], [])
    assert not Bucket.objects.exists()


def test_after_a_long_pause_of_all_too_few_events_are_not_judged(space: Space) -> None:
    rule = make_threshold(space, comparator="<", window=300)
    Rule.objects.update(interval=60)
    run_now(rule)
    assert alerts(rule) == [ALL]
    let_pass(1000)
    come(space, *[{}] * 5)
    run_now(rule)
    assert alerts(rule) == [ALL]
    let_pass(100)
    run_now(rule)
    assert alerts(rule) == [ALL]
    let_pass(110)
    run_now(rule)
    let_pass(110)
    run_now(rule)
    assert alerts(rule)[0] == ALL
    come(space, *[{}] * 5)
    run_now(rule)
    assert alerts(rule) == [("events", "threshold_met", "recovered")]


def test_while_events_wait_for_their_evaluation_too_few_are_not_judged(space: Space) -> None:
    rule = make_threshold(space, comparator="<")
    batch = EventBatch.objects.create(space=space, event_ids=[], created_at=timezone.now() - timedelta(seconds=90))
    assert run_rule(claim(rule))
    assert "waited for their evaluation" in RuleRun.objects.get(rule=rule).detail
    assert alerts(rule) == []
    batch.delete()
    run_now(rule)
    assert alerts(rule) == [ALL]


# --- Once, and under the rule's terms ---


def test_each_event_counts_once_whoever_evaluates_and_whatever_crashes(space: Space) -> None:
    rule = make_threshold(space, threshold=0)
    for _ in range(30):
        accept_events(space.pk, [incoming() for _ in range(40)])

    class Crash(Exception):
        pass

    with suppress(Crash), transaction.atomic():
        assert evaluate_round()
        raise Crash
    assert not Bucket.objects.exists()

    def work() -> None:
        try:
            while EventBatch.objects.exists():
                evaluate_round()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert counted(rule) == 1200


CHANGES: dict[str, Callable[[Rule], Any]] = {
    "condition": lambda rule: update_rule(rule, condition="event.data.t > 0"),
    "params": lambda rule: update_rule(rule, params={**rule.params, "window": 600}),
    "enabled again": lambda rule: update_rule(update_rule(rule, enabled=False), enabled=True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_rule_that_is_changed_begins_anew_whatever_a_round_that_knows_the_former_adds(
    space: Space, change: str
) -> None:
    rule = make_threshold(space, threshold=0)
    come(space, {"t": 1})
    former = RuleSet(Space.objects.get(pk=space.pk), None)
    CHANGES[change](rule)
    assert not Bucket.objects.exists()
    met: list[gathering.Met] = []
    match_event(read_events([Event.objects.get().pk])[0], former, [], met)
    gathering.add(gathering.sum_up(met))
    assert Bucket.objects.count() == 1
    run_now(rule)
    assert alerts(rule) == []
    update_rule(rule, name="Other")
    come(space, {"t": 1})
    run_now(rule)
    assert alerts(rule) == [ALL]


def test_what_a_deleted_rule_left_behind_is_swept(space: Space) -> None:
    rule, other = make_threshold(space), make_threshold(space)
    come(space, {})
    key = rule.pk
    delete_rule(rule)
    Bucket.objects.create(rule_id=key, epoch=1, start=0, data=b"{}")
    assert drop_lost_buckets() == 1
    assert list(Bucket.objects.values_list("rule_id", flat=True)) == [other.pk]


# --- Cheap ---


def test_many_rows_are_put_together_and_old_ones_go(space: Space) -> None:
    rule = make_threshold(space, threshold=0, window=300)
    epoch, now = Rule.objects.get().epoch, int(timezone.now().timestamp())
    starts = [now - now % 5 - 5 * (number % 3) for number in range(150)] + [now - 400] * 3
    Bucket.objects.bulk_create(
        Bucket(rule=rule, epoch=epoch, start=start, data=b'{"groups": {"events": 2}}') for start in starts
    )
    stale = buckets.read(rule.pk, epoch, now - 300, now)
    run_now(rule)
    assert (Alert.objects.get().value, Bucket.objects.count()) == (300, 6)
    buckets.put_together(rule.pk, epoch, stale, Sums(PLAIN["count"]), PLAIN["count"])
    RuleRun.objects.update(number=9)
    run_now(rule)
    assert (Alert.objects.get().value, Bucket.objects.count()) == (300, 3)


def test_a_run_reads_one_range_of_an_index(space: Space) -> None:
    rule = make_threshold(space)
    Bucket.objects.bulk_create(
        Bucket(rule_id=rule.pk + number % 50, epoch=1, start=number, data=b"{}") for number in range(5000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        buckets.read(rule.pk, 1, 4000, 6000)
    ((query,),) = [re.findall("SELECT.*", each["sql"]) for each in captured.captured_queries if "FROM" in each["sql"]]
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(
            f"{explain} {query.removeprefix('DECLARE').partition('SELECT')[1]}{query.partition('SELECT')[2]}"
        )
        plan = "\n".join(str(row) for row in cursor.fetchall())
    assert "bucket_of_rule" in plan
    assert "Seq Scan" not in plan
    Bucket.objects.exclude(rule=rule).delete()


def test_a_round_without_such_rules_asks_the_database_nothing_more(space: Space) -> None:
    make_rule(
        space,
        params={"event_types": ["test.*"]},
        actions=[make_action(make_connector(space, url="https://a.example"))],
    )

    def queries() -> int:
        accept_events(space.pk, [incoming(type_="quiet.ping")])
        with CaptureQueriesContext(connection) as captured:
            evaluate_round()
        return len(captured)

    queries()
    before = queries()
    make_threshold(space)
    queries()
    assert queries() == before


# --- What is refused ---


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"aggregate": "sum"}, "/params/field"),
    ({"field": "data.t"}, "/params/field"),
    ({"aggregate": "avg", "field": "source"}, "/params/field"),
    ({"aggregate": "avg", "field": "data.t; DROP"}, "/params/field"),
    ({"aggregate": "median", "field": "data.t"}, "/params/aggregate"),
    ({"aggregate": "percentile", "field": "data.t", "percentile": 100}, "/params/percentile"),
    ({"comparator": "between"}, "/params/upper_threshold"),
    ({"comparator": "outside", "upper_threshold": 1}, "/params/upper_threshold"),
    ({"upper_threshold": 9}, "/params/upper_threshold"),
    ({"comparator": "=="}, "/params/comparator"),
    ({"threshold": "many"}, "/params/threshold"),
    ({"threshold": 1e300}, "/params/threshold"),
    ({"threshold": float("nan")}, "/params/threshold"),
    ({"threshold": None}, "/params/threshold"),
    ({"window": 9}, "/params/window"),
    ({"window": 7 * 86400 + 1}, "/params/window"),
    ({"window": 86401}, "/params/window"),
    ({"top": 5}, "/params/top"),
    ({"group_by": ["a"]}, "/params/group_by/0"),
    ({"group_by": ["data.a", "data.b", "data.c"]}, "/params/group_by"),
]


def test_params_that_cannot_be_are_refused_at_their_place(space: Space) -> None:
    space.retention_days = 1
    for params, pointer in REFUSED:
        with pytest.raises(InvalidInput) as refused:
            make_threshold(space, **params)
        assert [error.pointer for error in refused.value.errors] == [pointer], params


def test_a_comparator_may_be_written_with_a_hyphen(space: Space) -> None:
    rule = make_threshold(space, comparator="not-between", upper_threshold=9)
    assert rule.params["comparator"] == "not_between"
