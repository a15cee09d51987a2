"""A connector's status follows what is seen of its system, damped, and each change of it is on record."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.models import EventLogEntry
from connectors.models import Connector, Status
from connectors.outcomes import Reason
from connectors.services import update_connector
from connectors.services.status import DOWN_AFTER, KEPT_CHANGES, UP_AFTER, Watch, next_status, observe
from rules.models import Event
from spaces.models import Space
from tests.factories import make_connector, make_space

OBSERVATIONS = st.lists(st.booleans(), max_size=60)


@pytest.fixture
def space() -> Space:
    return make_space()


@pytest.fixture
def connector(space: Space) -> Connector:
    return make_connector(space)


def status_of(connector: Connector) -> str:
    return Connector.objects.values_list("status", flat=True).get(pk=connector.pk)


def walk(observations: list[bool], status: Status = Status.UNKNOWN, streak: int = 0) -> list[Status]:
    walked = []
    for succeeded in observations:
        status, streak = next_status(status, streak, succeeded=succeeded)
        walked.append(status)
    return walked


@given(OBSERVATIONS)
def test_it_is_down_after_failures_in_a_row_and_never_before(before: list[bool]) -> None:
    down = walk([*before, True, *[False] * DOWN_AFTER])
    assert down[-1] is Status.DISCONNECTED
    if down[-DOWN_AFTER - 1] is not Status.DISCONNECTED:
        assert Status.DISCONNECTED not in down[-DOWN_AFTER:-1]


@given(OBSERVATIONS)
def test_it_is_up_after_successes_in_a_row(before: list[bool]) -> None:
    assert walk([*before, *[True] * UP_AFTER])[-1] is Status.CONNECTED


@given(OBSERVATIONS)
def test_one_failure_never_takes_it_down_and_one_success_never_brings_it_up(before: list[bool]) -> None:
    assert walk([*before, True, True, False])[-1] is Status.DEGRADED
    assert walk([*before, *[False] * DOWN_AFTER, True])[-1] is Status.DEGRADED


@pytest.mark.django_db
def test_each_change_is_in_the_history_the_event_log_and_an_event_of_the_space(
    space: Space, connector: Connector
) -> None:
    for _ in range(DOWN_AFTER):
        observe(connector.pk, Reason.RETRY_CONNECT, "Nothing accepts a connection there.")
    assert status_of(connector) == "disconnected"
    history = [(each.former, each.status, each.reason) for each in connector.status_changes.order_by("id")]
    assert history == [("unknown", "degraded", "retry_connect"), ("degraded", "disconnected", "retry_connect")]
    entries = EventLogEntry.objects.filter(space=space, provider="connectors", action="status").order_by("id")
    assert [entry.connector_id for entry in entries] == [connector.public_id] * 2
    assert entries[1].outcome == "failure"
    assert "Nothing accepts" in entries[1].message
    events = Event.objects.filter(space=space).order_by("id")
    assert [event.type for event in events] == ["switchyard.connector.degraded", "switchyard.connector.disconnected"]
    data = events[1].data
    assert data is not None
    assert (data["connector"]["id"], data["former_status"]) == (connector.public_id, "degraded")


@pytest.mark.django_db
def test_what_says_nothing_of_the_system_changes_nothing(connector: Connector) -> None:
    for reason in (Reason.PERMANENT_4XX, Reason.TEMPLATE_ERROR, Reason.EXPIRED, Reason.RETRY_429):
        observe(connector.pk, reason, "")
    assert status_of(connector) == "unknown"


@pytest.mark.django_db
@pytest.mark.parametrize("at_rest", [{"enabled": False}, {"config": {"url": "https://a.example", "auth": "bearer"}}])
def test_a_connector_at_rest_keeps_its_status(connector: Connector, at_rest: dict[str, object]) -> None:
    update_connector(connector, **at_rest)  # type: ignore[arg-type]
    resting = status_of(connector)
    assert resting in ("disabled", "missing_secrets")
    observe(connector.pk, Reason.OK, "")
    assert status_of(connector) == resting


@pytest.mark.django_db
def test_disabling_and_enabling_show_in_the_status(connector: Connector) -> None:
    observe(connector.pk, Reason.OK, "")
    update_connector(connector, enabled=False)
    assert status_of(connector) == "disabled"
    update_connector(connector, enabled=True)
    assert status_of(connector) == "unknown"


@pytest.mark.django_db
def test_a_new_name_forgets_nothing_of_what_was_seen(connector: Connector) -> None:
    observe(connector.pk, Reason.OK, "")
    update_connector(connector, name="Another", enabled=True, config=connector.config)
    assert status_of(connector) == "connected"


@pytest.mark.django_db
def test_the_history_is_bounded(connector: Connector) -> None:
    for number in range(KEPT_CHANGES + 20):
        observe(connector.pk, Reason.OK if number % 2 else Reason.RETRY_DNS, "", at_once=True)
    assert connector.status_changes.count() <= KEPT_CHANGES + 1


class TestWatch:
    """Deliveries feed the status without a query for each."""

    pytestmark = pytest.mark.django_db

    @pytest.fixture
    def watch(self, connector: Connector) -> Watch:
        watch = Watch(connector.pk)
        watch.begin(connector)
        return watch

    def test_a_delivery_that_arrives_connects(self, watch: Watch, connector: Connector) -> None:
        watch.see(Reason.OK, "")
        watch.tell()
        assert status_of(connector) == "connected"

    def test_nothing_new_costs_no_query(
        self, watch: Watch, connector: Connector, django_assert_num_queries: object
    ) -> None:
        observe(connector.pk, Reason.OK, "")
        connector.refresh_from_db()
        watch.begin(connector)
        with django_assert_num_queries(0):  # type: ignore[operator]
            for _ in range(1000):
                watch.see(Reason.OK, "")
                watch.tell(is_last=True)

    def test_failures_that_go_on_disconnect(self, watch: Watch, connector: Connector) -> None:
        for _ in range(DOWN_AFTER):
            watch.see(Reason.RETRY_HTTP_5XX, "HTTP 503")
            watch.tell(is_last=True)
        assert status_of(connector) == "disconnected"

    def test_a_mix_is_degraded_however_long_it_lasts(self, watch: Watch, connector: Connector) -> None:
        for _ in range(10):
            for reason in (Reason.OK, Reason.RETRY_TIMEOUT, Reason.RETRY_TIMEOUT, Reason.OK):
                watch.see(reason, "")
            watch.tell(is_last=True)
            connector.refresh_from_db()
            watch.begin(connector)
            assert connector.status == "degraded"

    def test_a_burst_is_one_observation(self, watch: Watch, connector: Connector) -> None:
        for _ in range(500):
            watch.see(Reason.RETRY_CONNECT, "")
            watch.tell()
        assert status_of(connector) == "degraded"
