"""What senders are refused is told of in the space, seldom, and costs senders nothing."""

import json
import threading
from typing import Any

import pytest

from rules.models import Event
from rules.sources import refusals as module
from rules.sources.refusals import Refusals
from spaces.models import Space
from spaces.services import archive_space, update_space
from spaces.services.keys import create_api_key
from tests.factories import make_space
from tests.rules.running import data_of, own_events
from tests.rules.sources.sender import BATCH, CLOUDEVENT, Sender, envelope

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nothing_told_yet")]


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> Refusals:
    """What the process counts, from now on."""
    fresh = Refusals()
    monkeypatch.setattr("rules.sources.http.refusals", fresh)
    return fresh


@pytest.fixture
def space() -> Space:
    return make_space()


def reasons_told(space: Space) -> list[dict[str, Any]]:
    return [data_of(event)["reasons"] for event in own_events(space, "ingest.refused")]


def test_refusals_are_told_of_in_one_event_with_counts_by_reason(space: Space, refusals: Refusals) -> None:
    sender = Sender(space)
    assert sender.post(b"{").status == 400
    assert sender.post(b"x", "text/csv").status == 415
    assert sender.post(b"x", "text/csv").status == 415
    assert sender.post({"a": "x" * 300_000}).status == 413
    assert sender.post(envelope("a"), CLOUDEVENT).status == 202
    assert sender.post(envelope("a", data=1), CLOUDEVENT).status == 409
    refused = sender.post([envelope("b"), envelope("c", time="x", source=""), {}, envelope("a", data=1)], BATCH)
    assert (refused.status, refused.body["refused"]) == (202, 3)
    assert not own_events(space, "ingest.refused")

    refusals.tell()

    (event,) = own_events(space, "ingest.refused")
    assert event.subject == f"spaces/{space.slug}"
    assert data_of(event)["count"] == 8
    assert reasons_told(space) == [{"invalid": 3, "unsupported_media_type": 2, "conflict": 2, "too_large": 1}]
    assert (event.hop, event.cause) == (0, "")


def test_rates_and_full_spaces_are_told_of_past_those_very_quotas(space: Space, refusals: Refusals) -> None:
    update_space(space, max_events_per_second=1)
    sender = Sender(space)
    assert sender.post([{}] * 11).status == 413
    assert sender.post([{}] * 10).status == 202
    assert sender.post({}).status == 429
    refusals.tell()
    assert reasons_told(space) == [{"too_large": 1, "too_many": 1}]


def test_a_space_is_told_at_most_once_a_minute_by_all_processes(space: Space, refusals: Refusals) -> None:
    other = make_space()
    for _ in range(3):
        Sender(space).post(b"{")
        refusals.tell()
    another = Refusals()
    another.count(space.pk, space.slug, "invalid")
    another.count(other.pk, other.slug, "invalid")
    another.tell()
    assert reasons_told(space) == [{"invalid": 1}]
    assert reasons_told(other) == [{"invalid": 1}]


def test_who_has_no_key_that_sends_to_the_space_makes_no_event_there(space: Space, refusals: Refusals) -> None:
    sender = Sender(space)
    stranger = Sender(make_space())
    stranger.address = sender.address
    assert stranger.post({}).status == 404
    sender.headers["authorization"] = "Bearer sy_wrong"
    assert sender.post({}).status == 401
    sender.headers["authorization"] = f"Bearer {create_api_key(space, 'reader', role='viewer')[1]}"
    assert sender.post({}).status == 403
    at_rest = Sender(space)
    archive_space(space)
    assert at_rest.post({}).status == 409
    refusals.tell()
    assert not Event.objects.exists()


def test_what_is_accepted_is_not_counted(space: Space, refusals: Refusals, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("counted")

    monkeypatch.setattr(refusals, "count", fail)
    sender = Sender(space)
    for _ in range(2):
        assert sender.post(envelope("a"), CLOUDEVENT).status in (200, 202)
    assert sender.post([{}, {}]).status == 202


def test_a_refused_request_costs_no_query(space: Space, refusals: Refusals, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        for _ in range(1000):
            refusals.count(space.pk, space.slug, "invalid")


def test_a_loop_over_a_refused_request_ends(space: Space, refusals: Refusals) -> None:
    sender = Sender(space)
    assert sender.post(b"{", headers={"switchyard-hop": "4"}).status == 400
    assert sender.post(b"{", headers={"switchyard-hop": "9"}).status == 400
    refusals.tell()
    (event,) = own_events(space, "ingest.refused")
    assert (event.hop, data_of(event)["count"]) == (5, 1)


def test_a_web_process_tells_by_itself(space: Space, refusals: Refusals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHERED_FOR", 0.01)
    told = threading.Event()
    tell = refusals.tell

    def tell_once() -> None:
        tell()
        told.set()

    monkeypatch.setattr(refusals, "tell", tell_once)
    refusals.start()
    refusals.start()
    assert Sender(space).post(json.dumps([1]).encode()).status == 400
    assert told.wait(20)
    assert reasons_told(space) == [{"invalid": 1}]
