"""Rules run when they are due, once, whatever happens to the processes that run them."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from actions.engine.clock import database_time
from actions.models import EventLogEntry
from rules.alerts import keeping
from rules.models import Alert, Rule, RuleRun
from rules.scheduling.clock import Clock
from rules.scheduling.due import SOON, claim_due, next_run, repair_times
from rules.scheduling.running import run_rule
from rules.services import update_rule
from rules.types.base import Finding, Report
from spaces.models import Space
from tests.receiver import Receiver
from tests.rules.running import own_events, run
from tests.rules.scheduled import HOUR, alerts, claim, make_due, make_hearer, make_scheduled, pass_time, run_now
from tests.servers import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sound_pipeline", "nothing_told_yet")]

HIGH = Finding("boiler", "high")


def in_threads(count: int, work: Any) -> None:
    def whole() -> None:
        try:
            work()
        finally:
            connection.close()

    threads = [threading.Thread(target=whole) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def test_a_new_rule_runs_soon(space: Space, sample: Any) -> None:
    rule = make_scheduled(space, interval=24 * HOUR)
    next_at = RuleRun.objects.get(rule=rule).next_at
    assert next_at is not None
    assert timedelta(0) <= next_at - database_time() + timedelta(seconds=2) <= timedelta(seconds=SOON + 2)


def test_rules_are_spread_over_the_interval() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    turns = [next_run(key, 60, now) for key in range(1000)]
    assert all(now < turn <= now + timedelta(seconds=60) for turn in turns)
    assert max(Counter(turn.second for turn in turns).values()) < 40


def test_turns_stay_at_their_place_in_the_interval() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    first = next_run(7, 60, now)
    assert next_run(7, 60, first) == first + timedelta(seconds=60)
    assert next_run(7, 60, first + timedelta(seconds=59)) == first + timedelta(seconds=60)


def test_what_was_missed_is_made_up_by_one_run(space: Space, sample: Any) -> None:
    rule = make_scheduled(space, interval=10)
    make_due(rule, seconds=5 * HOUR)
    (claimed,) = claim_due(10)
    assert run_rule(claimed)
    assert claim_due(10) == []
    next_at = RuleRun.objects.get(rule=rule).next_at
    assert next_at is not None
    assert next_at > database_time()
    assert EventLogEntry.objects.filter(provider="rules", action="run").count() == 1


def test_two_that_claim_at_once_never_get_the_same_rule(space: Space, sample: Any) -> None:
    for _ in range(30):
        make_due(make_scheduled(space))
    claims: list[int] = []

    def claim_some() -> None:
        for _ in range(6):
            claims.extend(each.rule_id for each in claim_due(3))

    in_threads(4, claim_some)
    assert sorted(claims) == sorted(RuleRun.objects.values_list("rule", flat=True))


def test_two_runners_at_once_open_one_alert_and_tell_once(space: Space, to: Receiver, sample: Any) -> None:
    rule = make_scheduled(space, actions=[make_hearer(space, to)])
    sample.find(HIGH)
    first = claim(rule)
    pass_time(rule, 200)
    (second,) = claim_due(10)  # the first is taken for dead, and is not
    in_threads(1, lambda: run_rule(second))
    stored: list[bool] = []
    in_threads(2, lambda: stored.append(run_rule(first)))
    run()
    assert stored == [False, False]
    assert alerts(rule) == [("boiler", "high", "active")]
    assert len(to.requests) == 1


def test_one_that_looks_while_another_takes_over_stores_nothing(space: Space, sample: Any) -> None:
    rule = make_scheduled(space)
    claimed = claim(rule)

    def lose(params: Any, run: Any) -> Any:
        pass_time(rule, 200)
        assert len(claim_due(10)) == 1
        return Report([HIGH])

    sample.found = lose
    assert not run_rule(claimed)
    assert alerts(rule) == []
    assert not EventLogEntry.objects.filter(provider="rules").exists()


def test_a_crash_before_the_run_is_stored_runs_it_again_and_tells_once(space: Space, to: Receiver, sample: Any) -> None:
    rule = make_scheduled(space, actions=[make_hearer(space, to)])
    sample.find(HIGH)
    claim(rule)  # and nothing more comes of it
    assert claim_due(10) == []
    pass_time(rule, 91)
    (claimed,) = claim_due(10)
    assert run_rule(claimed)
    run()
    assert len(to.requests) == 1
    assert len(own_events(space, "alert.opened")) == 1
    assert RuleRun.objects.get(rule=rule).number == 1


def test_a_crash_while_it_is_stored_leaves_nothing(
    space: Space, to: Receiver, sample: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = make_scheduled(space, actions=[make_hearer(space, to)])
    sample.find(HIGH)
    with monkeypatch.context() as broken:
        broken.setattr("rules.scheduling.running._log", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_rule(claim(rule))
    assert not Alert.objects.exists()
    assert not own_events(space, "alert.opened")
    pass_time(rule, 91)
    run_now(rule)
    assert len(to.requests) == 1


def test_a_run_that_hangs_delays_no_other_and_fails(space: Space, sample: Any) -> None:
    hanging = make_scheduled(space, params={"place": "hanging"})
    others = [make_scheduled(space, params={"place": f"place {number}"}) for number in range(10)]
    for rule in (hanging, *others):
        make_due(rule, seconds=60)
    make_due(hanging, seconds=HOUR)
    clock = Clock(threads=2)
    clock.start()
    try:
        wait_until(lambda: set(sample.looks) >= {f"place {number}" for number in range(10)}, "all others run", 20)
        wait_until(lambda: RuleRun.objects.get(rule=hanging).outcome == "failed", "the one that hangs fails", 20)
        make_due(hanging)
        wait_until(lambda: RuleRun.objects.get(rule=hanging).failures == 2, "it fails again", 20)
    finally:
        clock.end()
    state = RuleRun.objects.get(rule=hanging)
    assert (state.reason, state.detail) == ("timeout", "The run before has not ended yet.")
    assert sample.looks.count("hanging") == 1


def test_a_worker_that_ends_gives_back_what_it_has_not_run(space: Space, sample: Any) -> None:
    rule = make_scheduled(space, params={"place": "hanging"})
    make_due(rule)
    type(sample).time_limit, former = 30.0, type(sample).time_limit
    clock = Clock(threads=1)
    clock.start()
    try:
        wait_until(lambda: sample.looks == ["hanging"], "it is under way", 20)
        clock.end(seconds=0.1)
    finally:
        type(sample).time_limit = former
    (claimed,) = claim_due(10)
    assert claimed.rule_id == rule.pk


def test_two_clocks_share_the_rules(space: Space, sample: Any) -> None:
    rules = [make_scheduled(space, params={"place": f"place {number}"}) for number in range(20)]
    sample.find(HIGH)
    for rule in rules:
        make_due(rule)
    clocks = [Clock(threads=2), Clock(threads=2)]
    for clock in clocks:
        clock.start()
    try:
        wait_until(lambda: RuleRun.objects.filter(number__gte=1).count() == 20, "all run", 30)
    finally:
        for clock in clocks:
            clock.end()
    runs = RuleRun.objects.values_list("rule__params__place", "number")
    assert Counter(sample.looks) == dict(runs)  # a turn may have come meanwhile
    assert Alert.objects.filter(state="active").count() == 20


def test_a_clock_that_goes_back_an_hour_stops_no_rule(space: Space, sample: Any) -> None:
    rule = make_scheduled(space, interval=30)
    claim(rule)
    pass_time(rule, -3 * HOUR)  # as the database sees it then
    assert claim_due(10) == []
    assert repair_times() == 1
    assert [each.rule_id for each in claim_due(10)] == [rule.pk]
    assert repair_times() == 0


def test_a_disabled_rule_does_not_run_and_an_enabled_one_does(space: Space, sample: Any) -> None:
    rule = make_scheduled(space)
    claimed = claim(rule)
    update_rule(rule, enabled=False)
    assert not run_rule(claimed)
    pass_time(rule, HOUR)
    assert claim_due(10) == []
    update_rule(rule, enabled=True)
    pass_time(rule, 20)
    assert len(claim_due(10)) == 1


def test_rules_of_an_archived_space_do_not_run(space: Space, sample: Any) -> None:
    make_due(make_scheduled(space))
    Space.objects.filter(pk=space.pk).update(archived_at=database_time())
    assert claim_due(10) == []


def plan_of(sql: str) -> str:
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}")
        return "\n".join(str(row) for row in cursor.fetchall())


def test_due_rules_and_the_alerts_of_a_rule_are_found_by_their_indexes(space: Space, sample: Any) -> None:
    now = database_time()
    given = {"space": space, "type": "sample", "name": "Many", "interval": 60}
    rules = Rule.objects.bulk_create(Rule(public_id=f"many-{n}", **given) for n in range(2000))
    RuleRun.objects.bulk_create(RuleRun(rule=rule, next_at=now + timedelta(hours=1)) for rule in rules)
    ended = {"space": space, "group": "high", "state": "recovered", "since": now, "ended_at": now}
    Alert.objects.bulk_create(
        Alert(rule=rule, rule_public_id=rule.public_id, key=str(n), changed_in=n, **ended)
        for rule in rules[:50]
        for n in range(100)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        claim_due(4)
    assert "rule_run_due" in plan_of(captured.captured_queries[0]["sql"])
    with CaptureQueriesContext(connection) as captured:
        keeping._standing(rules[7].pk, 80)
    plan = plan_of(captured.captured_queries[0]["sql"])
    assert "alert_of_rule" in plan or "alert_once_while_open" in plan
    assert "Seq Scan" not in plan
