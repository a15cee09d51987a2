"""The rule types ``http_check`` and ``schedule`` run as rules do, and what kills its worker is paused."""

import ssl
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme
from django.db import connection

from rules.models import Alert, RuleRun
from rules.scheduling.due import MOST_CLAIMS, claim_due, repair_times
from rules.scheduling.running import run_rule
from rules.services import create_rule, update_rule
from rules.types.schedule.times import Times
from spaces.errors import InvalidInput
from spaces.models import Space
from tests.contract.scripted import answering, http_answer, scripted
from tests.receiver import Receiver
from tests.rules.running import data_of, own_events, run
from tests.rules.scheduled import HOUR, alerts, bodies, claim, make_due, make_hearer, make_scheduled, pass_time, run_now

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sound_pipeline", "nothing_told_yet")]


def found(space: Space, url: str, **params: Any) -> dict[str, Any]:
    """Return the alert that a check of this URL opens, empty where it opens none."""
    rule = make_scheduled(space, type_="http_check", params={"urls": [url], **params})
    run_rule(claim(rule))
    state = RuleRun.objects.get(rule=rule)
    assert state.outcome == "succeeded", state.detail
    alert = Alert.objects.filter(rule=rule).first()
    return {"group": alert.group, "summary": alert.summary, "value": alert.value, "key": alert.key} if alert else {}


def test_a_url_is_judged_by_status_body_and_latency(space: Space) -> None:
    with scripted(answering(http_answer(503, b"all is (fine)"))) as server:
        url = f"{server.url}health"
        down = found(space, url)
        assert (down["group"], down["summary"], down["key"]) == ("down", "status 503, expected 200-299", url)
        assert down["value"]["status"] == 503
        right = {"statuses": ["204", "500-599"]}
        assert found(space, url, **right, contains="(fine)", pattern=r"is \(f\w+\)$", max_latency_ms=20_000) == {}
        assert found(space, url, **right, contains="broken")["summary"] == "the body does not contain the expected text"
        assert found(space, url, **right, pattern="^fine")["summary"] == "the body does not match the expected pattern"
        assert found(space, url, method="POST", body="ping", headers={"X-Ask": "1"}, **right) == {}
        last = server.requests[-1]
        assert last.startswith(b"POST /health")
        assert b"x-ask: 1" in last.lower()
        assert last.endswith(b"ping")


def test_one_that_does_not_answer_is_down_and_delays_no_other(space: Space) -> None:
    with scripted(lambda peer: peer.hang()) as silent, scripted(answering(http_answer(200))) as well:
        urls = [f"{silent.url}{number}" for number in range(20)]
        rule = make_scheduled(space, type_="http_check", params={"urls": [*urls, well.url], "timeout": 1})
        run_rule(claim(rule))
    assert sorted(key for key, _, _ in alerts(rule)) == sorted(urls)
    assert set(Alert.objects.values_list("group", "summary")) == {("down", "No answer within 1 s.")}
    assert RuleRun.objects.get(rule=rule).duration < 15_000


def test_a_certificate_is_told_of_before_it_ends(space: Space) -> None:
    leaf = trustme.CA().issue_cert("127.0.0.1", not_after=datetime.now(UTC) + timedelta(days=6, hours=1))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    with scripted(answering(http_answer(200)), context) as server:
        url = f"https://127.0.0.1:{server.port}/"
        soon = found(space, url, certificate_days=14, verify_tls=False)
        assert (soon["group"], soon["summary"]) == ("certificate", "certificate expires in 6 days")
        assert found(space, url, certificate_days=6, verify_tls=False) == {}
        assert found(space, url)["summary"].startswith("TLS with ")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"urls": ["http://me:secret@example.test/"]}, "/params/urls/0"),
    ({"urls": ["http://169.254.169.254/latest"]}, "/params/urls/0"),
    ({"urls": ["ftp://example.test"]}, "/params/urls/0"),
    ({"urls": []}, "/params/urls"),
    ({"urls": [f"http://example.test/{n}" for n in range(51)]}, "/params/urls"),
    ({"headers": {"Authorization": "x"}}, "/params/headers"),
    ({"headers": {"X-Api-Key": "x"}}, "/params/headers"),
    ({"headers": {"X-A": "b\r\nc"}}, "/params/headers"),
    ({"pattern": "(a"}, "/params/pattern"),
    ({"pattern": "(?=a)"}, "/params/pattern"),
    ({"statuses": ["299-200"]}, "/params/statuses/0"),
    ({"method": "HEAD", "contains": "x"}, "/params/contains"),
    ({"body": "x"}, "/params/body"),
]


def test_a_check_that_cannot_be_is_refused_in_its_place(space: Space) -> None:
    for params, pointer in REFUSED:
        with pytest.raises(InvalidInput) as refused:
            create_rule(space, type="http_check", name="Check", params={"urls": ["http://example.test/"], **params})
        assert [each.pointer for each in refused.value.errors] == [pointer]


def make_schedule(space: Space, to: Receiver, **params: Any) -> Any:
    hearer = make_hearer(space, to, at="{{ event.data.scheduled_at }}", shift="{{ event.data.data.shift }}")
    given = {"every": HOUR, "data": {"shift": "early"}, **params}
    return create_rule(space, type="schedule", name="Shift", params=given, actions=[hearer])


def set_back(rule: Any, hours: int) -> None:
    """Have the rule not have been looked at for so long."""
    until = datetime.now(UTC).timestamp() - hours * HOUR
    RuleRun.objects.filter(rule=rule).update(memory={"until": until})


def test_a_schedule_fires_each_time_once_with_two_that_run_it(space: Space, to: Receiver) -> None:
    rule = make_schedule(space, to, catch_up="all")
    set_back(rule, 3)
    first = claim(rule)
    pass_time(rule, 200)
    (second,) = claim_due(10)  # the first is taken for dead, and is not
    stored: list[bool] = []

    def work(claimed: Any) -> None:
        try:
            stored.append(run_rule(claimed))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(each,)) for each in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    run()
    assert sorted(stored) == [False, True]
    assert len(to.requests) == 3
    assert {body["shift"] for body in bodies(to)} == {"early"}
    set_back(rule, 3)  # as a backup that was restored has it
    assert run_rule(claim(rule))
    run()
    assert len(to.requests) == 3
    assert len(own_events(space, "schedule.fired")) == 3
    assert alerts(rule) == []
    state = RuleRun.objects.get(rule=rule)
    assert state.next_at is not None
    assert state.next_at == Times("", "UTC", HOUR).next(state.started_at or datetime.now(UTC))


def test_a_schedule_takes_neither_an_interval_nor_a_group(space: Space, to: Receiver) -> None:
    rule = make_schedule(space, to)
    with pytest.raises(InvalidInput) as refused:
        update_rule(rule, interval=60)
    assert [each.pointer for each in refused.value.errors] == ["/interval"]


def test_a_rule_that_kills_its_workers_is_paused_and_told_of(space: Space, sample: Any) -> None:
    rule = make_scheduled(space, interval=10)
    for _ in range(MOST_CLAIMS):
        claim(rule)  # and its worker dies
        pass_time(rule, 91)
    pauses = []
    for _ in range(2):
        assert run_rule(claim(rule))
        state = RuleRun.objects.get(rule=rule)
        assert (state.outcome, state.reason) == ("failed", "poison")
        assert state.next_at is not None
        pauses.append((state.next_at - (state.ended_at or state.next_at)).total_seconds())
        assert repair_times() == 0
        make_due(rule)
        claim_due(10)  # the one more try
        pass_time(rule, 91)
    assert sample.looks == []
    assert pauses == [300, 600]
    (told,) = own_events(space, "rule.failed")
    assert data_of(told)["part"] == "run"
    update_rule(rule, params={"place": "elsewhere"})
    assert run_now(rule).outcome == "succeeded"
    assert (sample.looks, RuleRun.objects.get(rule=rule).claims) == (["elsewhere"], 0)
