"""Sources: what is made is checked, what uses a connector keeps it, and many reports make one status."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from connectors.services import delete_connector, update_connector, users_of
from rules.models import Event, Source, SourceReader, SourceStatus
from rules.services import delete_source, update_source
from rules.services.source_status import LIVE_FOR, Report, leave, report, settle_all
from spaces.errors import InUse, InvalidInput
from spaces.models import AuditEntry, Space
from tests.factories import make_connector, make_kafka_connector, make_source, make_space

pytestmark = pytest.mark.django_db


@pytest.fixture
def space() -> Space:
    return make_space()


@pytest.fixture
def source(space: Space) -> Source:
    return make_source(make_kafka_connector(space, public_id="cluster"), public_id="orders")


def pointers(refused: Any) -> list[str]:
    return [error.pointer for error in refused.value.errors]


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({}, "/params/topics"),
        ({"topics": []}, "/params/topics"),
        ({"topics": ["a b"]}, "/params/topics/0"),
        ({"topics": ["^("]}, "/params/topics/0"),
        ({"topics": ["a"], "format": "xml"}, "/params/format"),
        ({"topics": ["a"], "nonsense": 1}, "/params/nonsense"),
        ({"topics": ["a"], "event_type": "{{ event.type }}"}, "/params/event_type"),
        ({"topics": ["a"], "event_id": "{{ message."}, "/params/event_id"),
        ({"topics": ["a"], "event_subject": "\0"}, "/params/event_subject"),
        ({"topics": ["a"], "group_id": "one\ntwo"}, "/params/group_id"),
        ({"topics": ["^a.*", "__consumer_offsets"]}, "/params/topics"),
    ],
)
def test_params_that_cannot_be_are_refused_at_their_place(source: Source, params: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        update_source(source, params=params)
    assert pointers(refused) == [pointer]


def test_nothing_is_read_through_a_connector_of_another_type_or_space(space: Space, source: Source) -> None:
    with pytest.raises(InvalidInput, match="Nothing is read through connectors of the type"):
        make_source(make_connector(space))
    with pytest.raises(InvalidInput, match="no connector"):
        update_source(source, connector=make_kafka_connector(make_space()))


def test_the_database_refuses_a_connector_of_another_space(source: Source) -> None:
    foreign = make_kafka_connector(make_space())
    with pytest.raises(IntegrityError, match="must be of its space"):
        Source.objects.filter(pk=source.pk).update(connector=foreign)


def test_what_people_do_is_in_the_audit_log_and_counts_are_left_alone(source: Source) -> None:
    Source.objects.update(accepted_count=7)
    update_source(source, name="Other")
    delete_source(source)
    actions = AuditEntry.objects.filter(object_id="orders").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["source.create", "source.update", "source.delete"]


def test_counts_outlive_a_change(source: Source) -> None:
    report(source.pk, "p", Report(SourceStatus.CONNECTED, accepted=7))
    assert update_source(source, name="Other").version == 2
    source.refresh_from_db()
    assert (source.accepted_count, source.name) == (7, "Other")


def test_a_connector_that_a_source_reads_through_is_not_deleted(source: Source) -> None:
    assert source.connector is not None
    assert [(user.kind, user.id) for user in users_of(source.connector)] == [("source", "orders")]
    with pytest.raises(InUse, match="orders"):
        delete_connector(source.connector)


def test_sources_move_with_their_connector_or_stay_without_one(space: Space, source: Source) -> None:
    assert source.connector is not None
    other = make_kafka_connector(space, public_id="other")
    delete_connector(source.connector, replace_with=other)
    source.refresh_from_db()
    assert (source.connector_id, source.version) == (other.pk, 2)
    delete_connector(other, force=True)
    source.refresh_from_db()
    assert (source.connector_id, source.lost_connector_id, source.status) == (None, "other", "disconnected")
    assert "was deleted" in source.status_detail


def test_the_status_is_the_best_that_any_process_reports_and_lags_add_up(source: Source) -> None:
    report(source.pk, "one", Report(SourceStatus.DISCONNECTED, "retry_connect", "No."))
    source.refresh_from_db()
    assert (source.status, source.status_reason, source.status_detail) == ("disconnected", "retry_connect", "No.")
    report(source.pk, "two", Report(SourceStatus.CONNECTED, lag=5, accepted=2, refused=1, last_refusal="x: bad"))
    report(source.pk, "one", Report(SourceStatus.CONNECTED, lag=7))
    source.refresh_from_db()
    assert (source.status, source.lag, source.accepted_count, source.refused_count) == ("connected", 12, 2, 1)
    assert (source.last_refusal, source.last_event_at is not None) == ("x: bad", True)
    leave("two")
    source.refresh_from_db()
    assert source.lag == 7


def test_each_change_of_the_status_is_one_event(source: Source) -> None:
    for _ in range(3):
        report(source.pk, "p", Report(SourceStatus.CONNECTED, lag=1))
    report(source.pk, "p", Report(SourceStatus.DISCONNECTED, "retry_dns", "No such name."))
    events: list[Any] = list(Event.objects.filter(type__startswith="switchyard.source.").order_by("pk"))
    assert [event.type for event in events] == ["switchyard.source.connected", "switchyard.source.disconnected"]
    assert events[1].subject == "sources/orders"
    assert (events[1].data["reason"], events[1].data["former_status"]) == ("retry_dns", "connected")


def test_a_process_that_vanished_is_forgotten(source: Source) -> None:
    report(source.pk, "p", Report(SourceStatus.CONNECTED))
    SourceReader.objects.update(seen_at=timezone.now() - LIVE_FOR - timedelta(seconds=1))
    settle_all()
    source.refresh_from_db()
    assert (source.status, SourceReader.objects.count()) == ("stopped", 0)


def test_a_source_whose_connector_is_disabled_is_disabled(source: Source) -> None:
    assert source.connector is not None
    update_connector(source.connector, enabled=False)
    settle_all()
    source.refresh_from_db()
    assert (source.status, "cluster" in source.status_detail) == ("disabled", True)


def test_a_report_on_what_is_gone_is_no_error(source: Source) -> None:
    key = source.pk
    delete_source(source)
    report(key, "p", Report(SourceStatus.CONNECTED, accepted=1))
    assert not SourceReader.objects.exists()
