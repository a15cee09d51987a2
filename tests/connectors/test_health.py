"""Health checks find a connector's status on their own, at its interval, and never all at once."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from connectors.models import Connector
from connectors.services import check_health, probe_connector, reconnect, update_connector
from connectors.services.health import JITTER, LONGEST_BACK_OFF, next_check
from spaces.models import Space
from tests.factories import make_connector, make_space
from tests.receiver import Receiver, receiver

CHANCES = st.floats(0, 1, exclude_max=True)


@pytest.fixture
def to() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def space() -> Space:
    return make_space()


def make_due(connector: Connector) -> None:
    Connector.objects.filter(pk=connector.pk).update(health_due_at=timezone.now() - timedelta(seconds=1))


def now(connector: Connector) -> Connector:
    return Connector.objects.get(pk=connector.pk)


@given(st.floats(5, 86400), st.integers(-1000, 1000), CHANCES)
def test_the_wait_stays_within_its_bounds(interval: float, streak: int, chance: float) -> None:
    wait = next_check(interval, streak, chance)
    assert interval * (1 - JITTER) <= wait <= max(interval, LONGEST_BACK_OFF) * (1 + JITTER)


@given(st.integers(1, 100))
def test_the_wait_grows_while_it_is_down(failures: int) -> None:
    assert next_check(10, -failures - 1, 0.5) >= next_check(10, -failures, 0.5)
    assert next_check(10, -4, 0.5) == 80


@pytest.mark.django_db(transaction=True)
def test_a_new_connector_is_checked_and_then_at_its_interval(space: Space, to: Receiver) -> None:
    connector = make_connector(space, to.url)
    update_connector(connector, health_interval=300)
    assert check_health() == 1
    row = now(connector)
    assert (row.status, to.probes) == ("connected", 1)
    assert row.health_checked_at is not None
    assert row.health_due_at is not None
    assert timedelta(seconds=200) < row.health_due_at - timezone.now() < timedelta(seconds=400)
    assert check_health() == 0


@pytest.mark.django_db(transaction=True)
def test_checks_take_a_failing_system_down_and_up_again(space: Space, to: Receiver) -> None:
    connector = make_connector(space, to.url)
    seen = []
    for status in (200, 503, 503, 503, 200, 200):
        to.status = status
        make_due(connector)
        check_health()
        seen.append(now(connector).status)
    assert seen == ["connected", "degraded", "degraded", "disconnected", "degraded", "connected"]


@pytest.mark.django_db(transaction=True)
def test_what_is_at_rest_or_wants_no_checks_is_not_checked(space: Space, to: Receiver) -> None:
    make_connector(space, to.url, enabled=False)
    make_connector(space, to.url, auth="bearer")
    update_connector(make_connector(space, to.url), health_interval=0)
    assert check_health() == 0
    assert to.probes == 0


@pytest.mark.django_db(transaction=True)
def test_one_broken_connector_does_not_keep_the_others_from_being_checked(space: Space, to: Receiver) -> None:
    broken = make_connector(space, to.url)
    Connector.objects.filter(pk=broken.pk).update(type="gone")
    fine = make_connector(space, to.url)
    assert check_health() == 2
    assert now(fine).status == "connected"
    assert now(broken).status_reason == "bad_config"


@pytest.mark.django_db(transaction=True)
def test_reconnecting_decides_at_once(space: Space, to: Receiver) -> None:
    connector = make_connector(space, to.url)
    to.status = 503
    assert not reconnect(connector).reason.is_ok
    assert now(connector).status == "disconnected"
    to.status = 200
    assert reconnect(connector).reason.is_ok
    assert now(connector).status == "connected"


@pytest.mark.django_db(transaction=True)
def test_a_test_by_hand_sends_no_message(space: Space, to: Receiver) -> None:
    probe = probe_connector(make_connector(space, to.url))
    assert probe.reason.is_ok
    assert to.requests == []
