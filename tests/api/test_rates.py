"""Quotas and rates: what is too much is refused with what to do, and costs nobody else anything."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import time_machine
from limits import RateLimitItemPerMinute
from pytest_django import Settings

from connectors.models import Connector
from rules.models import Event
from rules.services.quotas import count_stored_events
from rules.sources import keys
from spaces.models import ApiKey, AuditEntry, Space, SpaceUsage
from spaces.services import archive_space, create_api_key, limits, revoke_api_key, update_space
from tests.api.client import Api
from tests.api.test_idempotency import NEW
from tests.factories import make_space
from tests.servers import RedisServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def counted_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis goes by its own clock, which does not travel."""
    monkeypatch.setattr(limits._limiter, "_shared", None)


@contextmanager
def later(seconds: float) -> Iterator[None]:
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)):
        yield


def api_at(space: Space, per_minute: int) -> Api:
    api = Api(space)
    token = create_api_key(space, "slow", max_requests_per_minute=per_minute)[1]
    api.headers = {"authorization": f"Bearer {token}"}
    return api


def test_past_its_rate_a_key_waits_as_long_as_it_is_told(space: Space) -> None:
    api, other = api_at(space, 3), api_at(space, 3)
    assert [api.get("rules").status for _ in range(4)] == [200, 200, 200, 429]
    refused = api.get("rules")
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 60
    assert other.get("rules").status == 200
    with later(120):
        assert api.get("rules").status == 200


def test_a_key_without_a_rate_has_that_of_the_installation(settings: Settings, space: Space) -> None:
    settings.API_RATE = 2
    api = Api(space)
    assert [api.get("rules").status for _ in range(3)] == [200, 200, 429]
    assert api.post("events", {"n": 1}).status == 202  # what sends events has its own limits


def test_refused_requests_are_counted_before_they_are_written_down(space: Space) -> None:
    api = api_at(space, 2)
    ApiKey.objects.filter(name="slow").update(role="viewer")
    assert [api.post("rules", {}).status for _ in range(4)] == [403, 403, 429, 429]
    assert AuditEntry.objects.filter(action="permission.refused").count() == 1


def test_a_key_s_rate_holds_for_events_too(space: Space) -> None:
    api = api_at(space, 2)
    answers = [api.post("events", {"n": 1}) for _ in range(3)]
    assert [each.status for each in answers] == [202, 202, 429]
    assert int(answers[2].headers["Retry-After"]) >= 1
    assert Event.objects.count() == 2


def test_a_space_takes_events_as_fast_as_it_may(space: Space) -> None:
    update_space(space, max_events_per_second=1)
    api = Api(space)
    assert api.post("events", [{"n": n} for n in range(11)]).status == 413
    assert api.post("events", [{"n": n} for n in range(10)]).status == 202
    refused = api.post("events", {"n": 1})
    assert (refused.status, "nothing was stored" in refused.body["detail"]) == (429, True)
    assert 1 <= int(refused.headers["Retry-After"]) <= 10
    assert Event.objects.count() == 10
    with later(30):
        assert api.post("events", {"n": 1}).status == 202


def test_a_full_space_takes_no_more_events_until_there_is_room(space: Space) -> None:
    update_space(space, max_stored_events=2)
    api = Api(space)
    assert [api.post("events", {"n": n}).status for n in range(2)] == [202, 202]
    count_stored_events()
    keys._known.clear()
    refused = api.post("events", {"n": 3})
    assert (refused.status, refused.headers["Retry-After"]) == (429, "60")
    assert "as many events as it may" in refused.body["detail"]
    Event.objects.all()[:1].get().delete()
    count_stored_events()
    keys._known.clear()
    assert api.post("events", {"n": 3}).status == 202
    update_space(space, max_stored_events=None)
    count_stored_events()
    assert not SpaceUsage.objects.exists()


def test_a_space_has_as_many_connectors_as_it_may(space: Space) -> None:
    update_space(space, max_connectors=1)
    api = Api(space)
    assert api.post("connectors", NEW).status == 201
    refused = api.post("connectors", NEW)
    assert (refused.status, "raise its limit" in refused.body["detail"]) == (409, True)
    elsewhere = Api(make_space())
    assert elsewhere.post("connectors", NEW).status == 201
    exported = elsewhere.fetch("POST", "exports", b"{}").content
    refused = api.send_raw("POST", "imports", exported, "application/x-ndjson")
    assert (refused.status, "raise its limit" in refused.text) == (400, True)
    assert Connector.objects.filter(space=space).count() == 1


@pytest.mark.parametrize("wrong", [0, -1, 10**10, 1.5, "many", True])
def test_a_limit_that_is_none_is_refused(api: Api, wrong: object) -> None:
    assert api.patch(api.root.rstrip("/"), {"max_events_per_second": wrong}).status == 400
    assert api.post("api-keys", {"name": "x", "max_requests_per_minute": wrong}).status == 400


def test_a_revoked_key_stores_no_event_from_the_next_request_on(space: Space) -> None:
    api = Api(space)
    assert api.post("events", {"n": 1}).status == 202
    revoke_api_key(ApiKey.objects.get())
    assert api.post("events", {"n": 2}).status == 401
    assert Event.objects.count() == 1
    assert AuditEntry.objects.filter(action="api_key.use_after_end").count() == 1


def test_an_archived_space_takes_no_event_from_the_next_request_on(space: Space) -> None:
    api = Api(space)
    assert api.post("events", {"n": 1}).status == 202
    archive_space(space)
    assert api.post("events", {"n": 2}).status == 409
    assert Event.objects.count() == 1


def test_the_rate_holds_over_all_processes_and_outlives_the_loss_of_redis(
    broker: RedisServer, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.CELERY_BROKER_URL = broker.url
    one, two = limits._Limiter(), limits._Limiter()
    item = RateLimitItemPerMinute(3)
    for limiter in (one, two, one):
        limiter.hit(item, "request", "shared")
    with pytest.raises(limits.TooMany):
        two.hit(item, "request", "shared")
    broker.stop()
    for _ in range(3):
        one.hit(item, "request", "shared")  # counted here
    with pytest.raises(limits.TooMany):
        one.hit(item, "request", "shared")
