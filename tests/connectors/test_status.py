"""A connector's status follows what is seen of its system, damped, and each change of it is on record."""

from datetime import timedelta

import pytest
from django.utils import timezone

from actions.models import EventLogEntry
from connectors.circuit import RECOVERED, SETTLED, TRIP_CHECKS, TRIP_RESULTS, Circuit, CircuitState
from connectors.models import Connector
from connectors.outcomes import Outcome, Reason
from connectors.services import update_connector
from connectors.services.circuits import observe, settle_degraded
from connectors.services.status import KEPT_CHANGES, shown_status
from connectors.services.watch import Watch
from rules.models import Event
from spaces.models import AuditEntry, Space
from tests.factories import make_connector, make_space


@pytest.fixture
def space() -> Space:
    return make_space()


@pytest.fixture
def connector(space: Space) -> Connector:
    return make_connector(space)


def outcome(reason: Reason, detail: str = "") -> Outcome:
    return Outcome(1, reason, detail)


def status_of(connector: Connector) -> str:
    return Connector.objects.values_list("status", flat=True).get(pk=connector.pk)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("circuit", "status"),
    [
        (Circuit(), "unknown"),
        (Circuit(streak=1), "connected"),
        (Circuit(CircuitState.DEGRADED), "degraded"),
        (Circuit(CircuitState.OPEN), "disconnected"),
        (Circuit(CircuitState.HALF_OPEN), "disconnected"),
        (Circuit(CircuitState.HALF_OPEN, streak=1), "degraded"),
    ],
)
def test_the_status_is_what_the_circuit_means(connector: Connector, circuit: Circuit, status: str) -> None:
    connector.circuit = circuit
    assert shown_status(connector) == status
    connector.enabled = False
    assert shown_status(connector) == "disabled"


@pytest.mark.django_db
def test_each_change_is_in_the_history_the_event_log_and_an_event_of_the_space(
    space: Space, connector: Connector
) -> None:
    for _ in range(TRIP_CHECKS):
        observe(connector.pk, Reason.RETRY_CONNECT, "Nothing accepts a connection there.")
    assert status_of(connector) == "disconnected"
    history = [(each.former, each.status, each.reason) for each in connector.status_changes.order_by("id")]
    assert history == [("unknown", "degraded", "retry_connect"), ("degraded", "disconnected", "retry_connect")]
    entries = EventLogEntry.objects.filter(space=space, provider="connectors").order_by("id")
    assert [(entry.action, entry.connector_id) for entry in entries] == [
        ("circuit-degraded", connector.public_id),
        ("circuit-open", connector.public_id),
    ]
    assert entries[1].outcome == "failure"
    assert "Nothing accepts" in entries[1].message
    assert "the next trial is at" in entries[1].message
    events = Event.objects.filter(space=space).order_by("id")
    assert [event.type for event in events] == ["switchyard.connector.degraded", "switchyard.connector.disconnected"]
    data = events[1].data
    assert data is not None
    assert (data["connector"]["id"], data["former_status"]) == (connector.public_id, "degraded")


@pytest.mark.django_db
def test_a_degraded_connector_that_nobody_looks_at_comes_back_by_itself_and_tells(space: Space) -> None:
    idle, failing, checked = (
        update_connector(make_connector(space), health_interval=interval) for interval in (0, 0, 60)
    )
    for connector in (idle, failing, checked):
        observe(connector.pk, Reason.RETRY_TIMEOUT, "No answer.")
    settle_degraded()
    long_ago = timezone.now() - SETTLED
    Connector.objects.update(circuit_since=long_ago)
    Connector.objects.exclude(pk=failing.pk).update(failed_at=long_ago)
    settle_degraded()
    assert [status_of(connector) for connector in (idle, failing, checked)] == ["unknown", "degraded", "degraded"]
    told = EventLogEntry.objects.filter(connector_id=idle.public_id, action="circuit-closed")
    assert told.count() == 1
    assert [(change.former, change.status) for change in idle.status_changes.order_by("-id")[:1]] == [
        ("degraded", "unknown")
    ]


@pytest.mark.django_db
def test_what_says_nothing_of_the_system_changes_nothing(connector: Connector) -> None:
    for reason in (Reason.PERMANENT_4XX, Reason.TEMPLATE_ERROR, Reason.EXPIRED, Reason.TOO_LARGE):
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
    """Deliveries feed the circuit without a query for each."""

    pytestmark = pytest.mark.django_db

    @pytest.fixture
    def watch(self, connector: Connector) -> Watch:
        watch = Watch(connector.pk)
        assert watch.begin(connector)
        return watch

    def test_a_delivery_that_arrives_connects(self, watch: Watch, connector: Connector) -> None:
        watch.see(outcome(Reason.OK))
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
                watch.see(outcome(Reason.OK))
                watch.tell(is_last=True)

    def test_failures_that_go_on_disconnect(self, watch: Watch, connector: Connector) -> None:
        for _ in range(TRIP_RESULTS):
            watch.see(outcome(Reason.RETRY_HTTP_5XX))
            watch.tell(is_last=True)
        assert status_of(connector) == "disconnected"

    def test_a_mix_is_degraded_however_long_it_lasts(self, watch: Watch, connector: Connector) -> None:
        for _ in range(10):
            for reason in (Reason.OK, Reason.RETRY_TIMEOUT, Reason.RETRY_TIMEOUT, Reason.OK):
                watch.see(outcome(reason))
            watch.tell(is_last=True)
            connector.refresh_from_db()
            watch.begin(connector)
            assert connector.status == "degraded"

    def test_a_burst_of_failures_holds_deliveries_before_it_is_over(self, watch: Watch, connector: Connector) -> None:
        sent = 0
        while not watch.is_held:
            watch.see(outcome(Reason.RETRY_CONNECT))
            watch.tell()
            sent += 1
        assert sent < 20
        assert status_of(connector) == "disconnected"

    def test_one_process_at_a_time_tries_out_and_its_result_closes_the_circuit(
        self, watch: Watch, connector: Connector
    ) -> None:
        observe(connector.pk, Reason.RETRY_CONNECT, "", at_once=True)
        assert not watch.begin(Connector.objects.get(pk=connector.pk))
        assert watch.held_for() > 0
        Connector.objects.update(next_trial_at=timezone.now())
        row, other = Connector.objects.get(pk=connector.pk), Watch(connector.pk)
        assert watch.begin(row)
        assert watch.is_trial
        assert not other.begin(Connector.objects.get(pk=connector.pk))
        for _ in range(RECOVERED):
            watch.see(outcome(Reason.OK))
        watch.tell(is_last=True)
        assert other.begin(Connector.objects.get(pk=connector.pk))
        assert not other.is_trial
        assert status_of(connector) == "connected"

    def test_a_410_disables_the_connector_and_says_so(self, watch: Watch, connector: Connector, space: Space) -> None:
        revision = Space.objects.get(pk=space.pk).config_revision
        watch.see(outcome(Reason.PERMANENT_410, "HTTP 410 Gone"))
        watch.tell(is_last=True)
        row = Connector.objects.get(pk=connector.pk)
        assert (row.enabled, row.status, row.status_reason) == (False, "disabled", "permanent_410")
        assert Space.objects.get(pk=space.pk).config_revision > revision
        entry = AuditEntry.objects.filter(action="connector.update").latest("id")
        assert (entry.before, entry.after) == ({"enabled": True}, {"enabled": False})
        logged = EventLogEntry.objects.filter(provider="connectors").latest("id")
        assert (logged.action, logged.reason) == ("circuit-disabled", "permanent_410")
        update_connector(row, enabled=True)
        assert Connector.objects.get(pk=connector.pk).circuit.state is CircuitState.CLOSED

    def test_days_without_a_success_disable_the_connector(self, connector: Connector) -> None:
        observe(connector.pk, Reason.RETRY_DNS, "", at_once=True)
        days = timedelta(days=5)
        Connector.objects.update(next_trial_at=timezone.now(), failing_since=timezone.now() - days)
        watch = Watch(connector.pk)
        assert watch.begin(Connector.objects.get(pk=connector.pk))
        watch.see(outcome(Reason.RETRY_DNS, "The name could not be resolved."))
        watch.tell(is_last=True)
        assert status_of(connector) == "disabled"
        assert not Connector.objects.get(pk=connector.pk).enabled
