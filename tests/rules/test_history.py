"""How rules are doing: their counts agree with what became of the deliveries, their status with how they fare."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from actions.engine.expiry import end_expired
from actions.engine.lanes import lanes
from actions.engine.tally import Counts, Tally, tally
from actions.models import Delivery
from actions.services.cancel import cancel_delivery
from connectors.services import delete_connector, update_connector
from rules.evaluation.rounds import evaluate_round
from rules.history.counting import KINDS, counts_between, forget_minutes, recent_counts, write_counts
from rules.history.journal import Journal
from rules.history.records import HOUR, MINUTE, RuleCount, RuleTrouble, RunRecord
from rules.history.status import WARNED_FOR, last_error, with_status
from rules.history.troubles import troubles
from rules.links import Link
from rules.models import Rule
from rules.services import delete_rule, duplicate_rule, update_rule
from rules.services.accept import accept_events
from rules.services.retention import delete_old
from rules.services.rules import described
from rules.services.silences import mute_rule
from rules.types.base import Finding, Report, RunFailed
from spaces.models import Space
from tests.factories import make_action, make_connector, make_rule
from tests.receiver import Receiver, receiver
from tests.rules.running import data_of, incoming, own_events, run, send
from tests.rules.scheduled import make_scheduled, run_now

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sound_pipeline", "nothing_told_yet")]

WATCHED = {"event_types": ["test.ping"]}


def counted(rule: Rule, seconds: int = HOUR) -> dict[str, int]:
    sums = RuleCount.objects.filter(rule=rule, seconds=seconds).aggregate(**{kind: Sum(kind) for kind in KINDS})
    return {kind: sums[kind] or 0 for kind in KINDS}


def ended(rule: Rule) -> dict[str, int]:
    """Return what the counts have to be, from the deliveries themselves."""
    rows = Delivery.objects.filter(rule_id=rule.public_id)
    states = {"delivered": "delivered", "failed": "dead", "suppressed": "suppressed"}
    return {
        "matched": rows.values("event_id").distinct().count(),
        **{kind: rows.filter(state=state).count() for kind, state in states.items()},
    }


@contextmanager
def written_by_thread() -> Iterator[None]:
    """Have counts written as in a worker; all that is counted stands in the database at the end."""
    journal = Journal()
    journal.start()
    try:
        yield
    finally:
        lanes.stop()
        journal.end()


@pytest.fixture(autouse=True)
def nothing_noted_yet() -> None:
    troubles.write()


def status(rule: Rule) -> str:
    return str(with_status(Rule.objects.all()).get(pk=rule.pk).status)


def make_rules(space: Space, to: Receiver, refusing: Receiver) -> list[Rule]:
    """Make rules whose deliveries arrive, die of a refusal, die unrendered, are suppressed, and are none."""
    sound = make_action(make_connector(space, url=to.url))
    refused = make_action(make_connector(space, url=refusing.url))
    broken = make_action(make_connector(space, url=to.url), params={"body": {"a": "{{ event.data.none.at.all }}"}})
    hearers = [[sound], [refused], [broken], [sound], []]
    rules = [make_rule(space, params=WATCHED, actions=each) for each in hearers]
    mute_rule(rules[3])
    return rules


def test_counts_agree_with_the_deliveries_whoever_evaluates(space: Space, to: Receiver) -> None:
    for _ in range(6):
        accept_events(space.pk, [incoming() for _ in range(20)])

    def evaluate() -> None:
        try:
            while evaluate_round():
                pass
        finally:
            connection.close()

    with receiver() as refusing, written_by_thread():
        refusing.status = 400
        rules = make_rules(space, to, refusing)
        evaluators = [threading.Thread(target=evaluate) for _ in range(2)]
        for each in evaluators:
            each.start()
        for each in evaluators:
            each.join(60)
        run()
    for rule in rules[:4]:
        assert counted(rule) == counted(rule, MINUTE) == ended(rule)
    kinds = [next((kind for kind in KINDS[1:] if counted(rule)[kind]), "") for rule in rules]
    assert kinds == ["delivered", "failed", "failed", "suppressed", ""]
    assert counted(rules[4])["matched"] == 120
    assert recent_counts([rules[0].pk]) == {rules[0].pk: counted(rules[0])}


def test_what_ends_without_a_try_is_counted_where_no_thread_writes(space: Space) -> None:
    connector = make_connector(space)
    update_connector(connector, enabled=False)
    rule = make_rule(space, params=WATCHED, actions=[make_action(connector, expires_after=1000)])
    send(space, *(incoming() for _ in range(3)))
    cancelled, expired, _ = Delivery.objects.order_by("id")
    cancel_delivery(cancelled)
    assert counted(rule)["failed"] == 1
    Delivery.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=5))
    end_expired()
    assert counted(rule)["failed"] == 2
    delete_connector(connector, force=True)
    assert counted(rule) == ended(rule) == {"matched": 3, "delivered": 0, "failed": 3, "suppressed": 0}


def test_a_round_costs_no_query_for_counts_and_failures(space: Space, to: Receiver) -> None:
    make_rule(space, params=WATCHED, actions=[make_action(make_connector(space, url=to.url))])
    make_rule(space, params=WATCHED, condition="event.data.a > 1 || event.type > 1.0")
    make_rule(space, params=WATCHED, condition="event.data.a / 0 == 1")
    with written_by_thread(), CaptureQueriesContext(connection) as queries:
        send(space, *(incoming(data={"a": 1}) for _ in range(5)))
        spoken = " ".join(query["sql"] for query in queries)
    assert "rules_eventbatch" in spoken
    assert not any(table in spoken for table in ("rules_rulecount", "rules_ruletrouble"))


def test_counts_wait_for_a_database_that_is_away() -> None:
    written: list[Counts] = []
    is_away = True

    def write(counts: Counts) -> None:
        if is_away:
            raise OperationalError("away")
        written.append(counts)

    own = Tally()
    own.register(write)
    own.count([(1, "a", "matched")])
    own.count([(1, "a", "matched")])
    assert written == []
    is_away = False
    own.write()
    assert [count for counts in written for count in counts.values()] == [2]
    own.write()
    assert len(written) == 1


def test_what_is_rolled_back_is_not_counted(space: Space) -> None:
    rule = make_rule(space)
    with suppress(RuntimeError), transaction.atomic():
        tally.count([(space.pk, rule.public_id, "matched")])
        raise RuntimeError
    assert counted(rule)["matched"] == 0


def test_counts_over_time_are_of_whole_steps(space: Space) -> None:
    rule = make_rule(space)
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for at, count in [(noon - timedelta(seconds=1), 1), (noon, 2), (noon + timedelta(minutes=61), 4)]:
        minute = int(at.timestamp()) // 60 * 60
        write_counts(Counter({(minute, space.pk, rule.public_id, "matched"): count}))
    write_counts(Counter({(int(noon.timestamp()), space.pk, "nobody", "matched"): 1}))

    def matched(begin: datetime, end: datetime, seconds: int) -> list[int]:
        return [amounts["matched"] for _, amounts in counts_between(rule, begin, end, seconds)]

    hour = timedelta(hours=1)
    assert matched(noon - hour, noon + 2 * hour, HOUR) == [1, 2, 4]
    assert matched(noon + timedelta(minutes=5), noon + hour, HOUR) == [2]
    assert matched(noon - timedelta(minutes=2), noon + timedelta(minutes=1), MINUTE) == [0, 1, 2]
    assert matched(noon, noon + hour, 24 * HOUR) == [7]
    assert forget_minutes() == 3
    assert matched(noon, noon + hour, HOUR) == [2]


FAULTY = "event.data.a / event.data.b == 1"
GOOD, BAD, BESIDE = {"a": 1, "b": 1}, {"a": 1, "b": 0}, {"a": 1, "b": 2}


def test_a_rule_that_fails_three_times_is_failing_until_it_succeeds_or_is_changed(space: Space) -> None:
    rule = make_rule(space, params=WATCHED, condition=FAULTY)

    def take(*datas: dict[str, int]) -> str:
        send(space, *(incoming(data=data) for data in datas))
        troubles.write()
        return status(rule)

    assert take(GOOD) == "ok"
    assert take(BAD, BAD) == "warning"
    assert take(BAD) == "failing"
    error = last_error(with_status(Rule.objects.all()).get(pk=rule.pk))
    assert error is not None
    assert (error["part"], error["action"], error["count"]) == ("condition", None, 3)
    assert "zero" in error["detail"]
    assert take(BESIDE) == "warning"
    assert take(BAD, BAD, GOOD, BAD) == "warning"
    RuleTrouble.objects.update(failures=0, last_at=timezone.now() - WARNED_FOR)
    assert status(rule) == "ok"
    assert take(BAD, BAD, BAD) == "failing"
    assert [data_of(event)["part"] for event in own_events(space, "rule.failed")] == ["condition"]
    update_rule(rule, condition=f"event.data.b != 0 && {FAULTY}")
    assert status(rule) == "ok"
    troubles.failed(space.pk, rule.public_id, 1, "condition", "of the version before")
    assert take(BAD) == "ok"
    update_rule(rule, enabled=False)
    assert status(rule) == "disabled"


def test_messages_that_fail_are_told_of_with_their_action(space: Space, to: Receiver) -> None:
    broken = make_action(make_connector(space, url=to.url), params={"body": {"a": "{{ event.data.a }}"}})
    rule = make_rule(space, params=WATCHED, actions=[broken])
    send(space, *(incoming() for _ in range(3)))
    troubles.write()
    assert status(rule) == "failing"
    error = last_error(with_status(Rule.objects.all()).get(pk=rule.pk))
    assert error is not None
    assert (error["part"], error["action"]) == ("message", broken.public_id)
    send(space, incoming(data={"a": 1}))
    troubles.write()
    assert status(rule) == "warning"


def bring(result: Any, *_: Any) -> Report:
    if isinstance(result, Exception):
        raise result
    assert isinstance(result, Report)
    return result


def test_each_run_is_recorded_and_tells_the_status(space: Space, sample: Any) -> None:
    rule = make_scheduled(space)
    assert status(rule) == "pending"
    steps: list[tuple[Any, str]] = [
        (Report([Finding("boiler", "high"), Finding("pump", "high")]), "ok"),
        (Report([Finding("boiler", "high")], warnings=["It looked at half."]), "warning"),
        (RunFailed("nothing answers"), "warning"),
        (RunFailed("nothing answers"), "warning"),
        (RunFailed("nothing answers"), "failing"),
        (Report([]), "ok"),
    ]
    for result, expected in steps:
        sample.found = partial(bring, result)
        run_now(rule)
        assert status(rule) == expected
    shown = ("number", "outcome", "reason", "found", "opened", "active", "recovered")
    assert list(RunRecord.objects.order_by("id").values_list(*shown)) == [
        (1, "succeeded", "", 2, 2, 2, 0),
        (2, "warning", "", 1, 0, 1, 1),
        (3, "failed", "failed", 0, 0, 0, 0),
        (4, "failed", "failed", 0, 0, 0, 0),
        (5, "failed", "failed", 0, 0, 0, 0),
        (6, "succeeded", "", 0, 0, 0, 1),
    ]
    first = RunRecord.objects.order_by("id")[0]
    assert first.started_at <= first.ended_at
    assert counted(rule)["matched"] == 4


def test_runs_and_counts_go_when_the_space_does_not_keep_them(space: Space, sample: Any) -> None:
    rule = make_scheduled(space)
    run_now(rule)
    run_now(rule)
    write_counts(Counter({(int(at.timestamp()), space.pk, rule.public_id, "matched"): 1 for at in (long_ago(), now())}))
    Space.objects.filter(pk=space.pk).update(retention_days=7, created_at=long_ago())
    RunRecord.objects.filter(number=1).update(ended_at=long_ago())
    delete_old(rest=lambda _: None)
    assert [record.number for record in RunRecord.objects.all()] == [2]
    assert counted(rule)["matched"] == 1
    delete_rule(rule)
    assert not RuleCount.objects.exists()


def long_ago() -> datetime:
    return now() - timedelta(days=30)


def now() -> datetime:
    return timezone.now()


def test_a_copy_is_the_same_rule_and_disabled(space: Space, sample: Any) -> None:
    action = make_action(make_connector(space))
    links = [Link(action, frequency="interval", throttle=60), Link(action, "recovered")]
    rule = make_scheduled(space, interval=77, delay=2, tags=["a"], actions=links)
    copy = duplicate_rule(mute_rule(rule))
    own = {"id": copy.public_id, "name": f"{rule.name} (copy)", "enabled": False}
    assert described(copy) == {**described(Rule.objects.get(pk=rule.pk)), **own, "mute_all": False}
    assert copy.public_id != rule.public_id
    named = duplicate_rule(copy, name="Second", public_id="second")
    assert (named.name, named.public_id) == ("Second", "second")
