"""How much a lane sends at once and in a second: its system, the circuit and the connector decide."""

from datetime import timedelta

import pytest
from django.utils import timezone

from actions.engine.flow import FIRST_WINDOW, Flow
from connectors.circuit import DEGRADED_PACE, FIRST_RATE, CircuitState
from connectors.models import Connector
from connectors.outcomes import Outcome, Reason
from connectors.services.watch import Watch
from tests.factories import make_connector, make_space

pytestmark = pytest.mark.django_db


@pytest.fixture
def connector() -> Connector:
    return make_connector(make_space())


def begun(connector: Connector) -> Flow:
    watch = Watch(connector.pk)
    assert watch.begin(connector)
    flow = Flow(connector.pk, watch)
    flow.begin(connector)
    return flow


def room(flow: Flow) -> int:
    """Return how many may be under way at once."""
    return next(count for count in range(2000) if flow.wait(count) > 0)


def succeed(flow: Flow, count: int) -> None:
    for key in range(count):
        flow.see(Outcome(key, Reason.OK))


def test_an_unknown_system_gets_a_few_at_once_and_more_for_each_success(connector: Connector) -> None:
    flow = begun(connector)
    assert room(flow) == FIRST_WINDOW
    succeed(flow, 10)
    assert room(flow) == FIRST_WINDOW + 10


def test_a_system_that_fails_gets_fewer_and_never_none(connector: Connector) -> None:
    flow = begun(connector)
    flow.see(Outcome(1, Reason.RETRY_TIMEOUT))
    assert room(flow) == FIRST_WINDOW // 2
    for key in range(20):
        flow.see(Outcome(key, Reason.RETRY_TIMEOUT))
    assert room(flow) == 1


def test_what_blames_the_message_changes_nothing(connector: Connector) -> None:
    flow = begun(connector)
    flow.see(Outcome(1, Reason.PERMANENT_4XX))
    assert room(flow) == FIRST_WINDOW


@pytest.mark.parametrize("own", [3, None])
def test_the_connectors_limit_goes_before_the_installations(connector: Connector, own: int | None) -> None:
    connector.max_concurrency = own
    flow = begun(connector)
    succeed(flow, 500)
    assert room(flow) == (own or 100)


def test_a_degraded_connector_gets_a_quarter_of_its_concurrency_and_rate(connector: Connector) -> None:
    connector.circuit_state, connector.max_per_second = CircuitState.DEGRADED, 1000
    assert begun(connector).rate == 1000 * DEGRADED_PACE
    connector.max_per_second = None
    flow = begun(connector)
    succeed(flow, 500)
    assert flow.rate is None
    assert room(flow) == 100 * DEGRADED_PACE


def test_one_that_was_held_begins_slowly_and_stays_below_its_own_rate(connector: Connector) -> None:
    connector.resumed_at = timezone.now() - timedelta(seconds=3)
    rate = begun(connector).rate
    assert rate is not None
    assert FIRST_RATE * 8 <= rate < FIRST_RATE * 100
    connector.max_per_second = 5
    assert begun(connector).rate == 5
