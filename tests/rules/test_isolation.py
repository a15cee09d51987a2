"""One connector's troubles are its own: what fails is held, what is slow waits alone, what is limited keeps count."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from actions.engine.lanes import lanes
from actions.engine.pacing import Pacer
from actions.models import Delivery, EventLogEntry
from actions.services.deliveries import sweep_deliveries
from connectors.circuit import RECOVERED, CircuitState
from connectors.models import Connector
from connectors.services import reconnect, update_connector
from rules.evaluation.rounds import evaluate_round
from rules.services.accept import accept_events
from rules.services.invariants import check_invariants
from spaces.models import Space
from tests.factories import make_action, make_connector, make_rule, make_space
from tests.receiver import Receiver, receiver
from tests.rules.test_pipeline import incoming, wait_for_states, wire
from tests.servers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

State = Delivery.State


@pytest.fixture
def to() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture(autouse=True)
def invariants_hold_after(transactional_db: None) -> Iterator[None]:
    yield
    lanes.stop()
    assert not [finding for finding in check_invariants() if finding.broken]


@pytest.fixture
def space() -> Space:
    return make_space()


def send(space: Space, count: int, type_: str = "test.ping") -> None:
    accept_events(space.pk, [incoming(type_=type_) for _ in range(count)])
    while evaluate_round():
        pass


def circuit_of(connector: Connector) -> CircuitState:
    return Connector.objects.get(pk=connector.pk).circuit.state


def wait_until_held(connector: Connector) -> None:
    wait_until(lambda: circuit_of(connector) is CircuitState.OPEN, "the circuit opens", 15)
    wait_until(lambda: not Delivery.objects.filter(state=State.LEASED).exists(), "what was leased is given back", 15)


def let_trial_begin(connector: Connector) -> None:
    Connector.objects.filter(pk=connector.pk).update(next_trial_at=timezone.now())


def woken_by_sweep(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    woken: list[int] = []
    monkeypatch.setattr("actions.services.deliveries.wake", lambda _, connector_id: woken.append(connector_id))
    sweep_deliveries()
    return woken


def test_a_failing_system_is_held_and_what_is_held_uses_up_no_attempt(space: Space, to: Receiver) -> None:
    connector, _ = wire(space, to)
    to.status = 503
    send(space, 100)
    wait_until_held(connector)
    tried = Delivery.objects.filter(attempts=1).count()
    assert tried == len(to.requests) < 50
    assert Delivery.objects.filter(state=State.PENDING, attempts=0).count() == 100 - tried
    send(space, 10)
    wait_until(
        lambda: Delivery.objects.filter(state=State.PENDING, attempts=0).count() == 110 - tried, "more is held", 15
    )
    assert len(to.requests) == tried


def test_what_is_held_goes_out_by_itself_once_the_system_is_back(
    space: Space, to: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector, _ = wire(space, to)
    to.status = 503
    send(space, 60)
    wait_until_held(connector)
    Delivery.objects.filter(attempts=1).update(due_at=timezone.now())
    assert woken_by_sweep(monkeypatch) == []
    to.status = 200
    let_trial_begin(connector)
    assert woken_by_sweep(monkeypatch) == [connector.pk]
    lanes.wake(connector.pk)
    wait_for_states(delivered=60)
    assert circuit_of(connector) is CircuitState.CLOSED
    entries = EventLogEntry.objects.filter(provider="connectors").order_by("id").values_list("action", flat=True)
    assert list(entries)[-3:] == ["circuit-open", "circuit-half-open", "circuit-closed"]


def test_a_trial_sends_a_few_and_opens_the_circuit_for_longer_when_they_fail(space: Space, to: Receiver) -> None:
    connector, _ = wire(space, to)
    to.status = 503
    send(space, 60)
    wait_until_held(connector)
    before = Connector.objects.get(pk=connector.pk)
    tried = len(to.requests)
    let_trial_begin(connector)
    lanes.wake(connector.pk)
    wait_until(
        lambda: Connector.objects.get(pk=connector.pk).circuit.openings > before.circuit.openings, "the trial fails", 15
    )
    assert tried < len(to.requests) <= tried + RECOVERED
    now = Connector.objects.get(pk=connector.pk)
    assert now.next_trial_at is not None
    assert now.next_trial_at - now.circuit_since > timedelta(seconds=7)


def test_reconnecting_closes_the_circuit_after_a_good_probe(space: Space, to: Receiver) -> None:
    connector, _ = wire(space, to)
    to.status = 503
    send(space, 30)
    wait_until_held(connector)
    assert not reconnect(connector).reason.is_ok
    assert circuit_of(connector) is CircuitState.OPEN
    to.status = 200
    assert reconnect(connector).reason.is_ok
    assert circuit_of(connector) is CircuitState.CLOSED
    Delivery.objects.update(due_at=timezone.now())
    lanes.wake(connector.pk)
    wait_for_states(delivered=30)


def test_a_410_holds_deliveries_until_somebody_enables_the_connector(space: Space, to: Receiver) -> None:
    connector, _ = wire(space, to)
    to.status = 410
    send(space, 50)
    wait_until(lambda: circuit_of(connector) is CircuitState.DISABLED, "the connector is disabled", 15)
    wait_until(lambda: not Delivery.objects.filter(state=State.LEASED).exists(), "what was leased is given back", 15)
    refused = Delivery.objects.filter(state=State.DEAD, last_reason="permanent_410").count()
    assert refused == len(to.requests) < 50
    to.status = 200
    update_connector(connector, enabled=True)
    lanes.wake(connector.pk)
    wait_for_states(delivered=50 - refused, dead=refused)


def test_messages_that_are_refused_one_by_one_hold_up_no_others(space: Space, to: Receiver) -> None:
    connector, _ = wire(space, to)
    to.status = 422
    send(space, 50)
    wait_for_states(dead=50)
    assert circuit_of(connector) is CircuitState.CLOSED


def test_hanging_connectors_beyond_the_database_connections_hold_up_nobody(space: Space, to: Receiver) -> None:
    hanging = 70
    with receiver() as never:
        never.hold = True
        for _ in range(hanging):
            make_rule(space, condition='event.type == "slow"', actions=[make_action(make_connector(space, never.url))])
        wire(space, to, condition='event.type == "quick"')
        send(space, 1, "slow")
        never.wait_for(hanging)
        send(space, 20, "quick")
        wait_for_states(delivered=20)
        never.release.set()
        wait_for_states(delivered=20 + hanging)


def test_idle_lanes_beyond_the_database_connections_hold_up_nobody(space: Space, to: Receiver) -> None:
    idle = 70
    for _ in range(idle):
        make_rule(space, actions=[make_action(make_connector(space, to.url))])
    send(space, 1)
    # Sooner than a lane ends by itself, and lets go of what it has.
    wait_until(lambda: Delivery.objects.filter(state=State.DELIVERED).count() == idle, "all are delivered", 8)


def test_an_unknown_system_gets_a_few_messages_at_once_and_one_that_answers_gets_more(
    space: Space, to: Receiver
) -> None:
    wire(space, to)
    to.hold = True
    send(space, 60)
    to.wait_for(8)
    to.hold = False
    to.release.set()
    wait_for_states(delivered=60)


def test_connectors_known_to_be_slow_leave_lanes_to_others(
    space: Space, to: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actions.engine.lane.DRAGS", 0.0)  # whatever takes time at all is slow
    monkeypatch.setattr("actions.engine.lane._IDLE", 0.02)
    with ExitStack() as stack:
        slow = [stack.enter_context(receiver()) for _ in range(2)]
        connectors = [wire(space, each, condition='event.type == "slow"')[0] for each in slow]
        send(space, 1, "slow")
        wait_for_states(delivered=2)
        wait_until(lambda: not lanes_running(), "the lanes end", 15)

        monkeypatch.setattr("actions.engine.lanes.MAX_SLOW_LANES", 1)
        for each in slow:
            each.hold = True
        send(space, 1, "slow")
        wait_until(lambda: sum(len(each.requests) for each in slow) == 3, "one of the slow ones is sent", 15)
        (waits,) = [row for row, at in zip(connectors, slow, strict=True) if len(at.requests) == 1]
        lanes.wake(waits.pk)
        assert not lanes.has_room(waits.pk)
        wire(space, to, condition='event.type == "quick"')
        send(space, 5, "quick")
        wait_for_states(delivered=7, pending=1)
        for each in slow:
            each.release.set()
        wait_for_states(delivered=8)
        wait_until(lambda: not lanes_running(), "the lanes end", 15)
        lanes.wake(waits.pk)
        wait_for_states(delivered=9)


def lanes_running() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("lane-")]


def test_a_limited_rate_is_kept_and_what_waits_is_not_leased_long_before(space: Space, to: Receiver) -> None:
    connector, _ = wire(space, to)
    update_connector(connector, max_per_second=40)
    began = time.monotonic()
    send(space, 41)
    wait_for_states(delivered=41)
    # Each takes its turn: no clock is quick enough to make this shorter.
    assert time.monotonic() - began >= 40 / 40 - 0.05
    assert Delivery.objects.filter(attempts=1).count() == 41


def test_a_message_a_minute_waits_without_a_lease(space: Space, to: Receiver) -> None:
    connector, _ = wire(space, to)
    update_connector(connector, max_per_second=1 / 60)
    send(space, 3)
    to.wait_for(1)
    wait_for_states(delivered=1, pending=2)
    assert set(Delivery.objects.filter(state=State.PENDING).values_list("attempts", flat=True)) == {0}


def test_two_processes_share_one_rate() -> None:
    rate, given = 50.0, 0
    pacers = [Pacer("test:shared") for _ in range(2)]
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < 0.5:
        for pacer in pacers:
            if pacer.wait(rate) <= 0:
                pacer.take()
                given += 1
    connection.close()
    assert 1 < given <= rate * elapsed + 2


def test_a_rate_is_kept_by_the_database_while_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    import redis

    from actions.engine import pacing
    from actions.models import Pace

    nowhere = redis.Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.5)
    monkeypatch.setattr(pacing._store, "_client", nowhere)
    assert pacing._store.ask("test:away", 0.1)[0]
    assert Pace.objects.get().key == "test:away"
    assert not [given for _ in range(9) if (given := pacing._store.ask("test:away", 10.0)[0])][1:]
