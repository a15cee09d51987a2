"""Dead letters over the API: looked into, changed, sent again and cancelled, one or many."""

from typing import Any
from uuid import uuid4

import pytest

from actions.models import Action, Delivery, DeliveryJob
from actions.services.jobs import work_jobs
from spaces.models import Space
from spaces.services import create_api_key
from tests.api.client import Api, make_delivery, make_event, make_log_entry
from tests.factories import connector_of, make_action, make_connector, make_rule

pytestmark = pytest.mark.django_db

MESSAGE = {"path": "", "method": "POST", "query": {}, "headers": {}, "body": {"n": 1}}


def dead(action: Action, **values: Any) -> Delivery:
    given = {"state": "dead", "last_reason": "expired", "finished_at": "2026-01-01T00:00:00Z", "message": MESSAGE}
    event_id = values.pop("event_id", None) or make_event(action.space).pk
    return make_delivery(action, event_id=event_id, **given | values)


@pytest.fixture
def action(space: Space) -> Action:
    return make_action(make_connector(space, public_id="desk"), public_id="tell")


def test_a_delivery_is_read_with_its_message_attempts_and_cause_at_once(api: Api, space: Space, action: Action) -> None:
    row = dead(action, last_reason="permanent_4xx", last_detail="HTTP 400", attempts=2)
    for attempt in (1, 2):
        make_log_entry(
            space,
            delivery_id=row.pk,
            attempt=attempt,
            outcome="failure",
            request={"url": "https://desk.example/"},
            response={"status": 400},
        )
    make_log_entry(space, delivery_id=row.pk, action="cancel", message="It was cancelled.")
    make_log_entry(space, delivery_id=row.pk + 1)
    follower = dead(action, event_id=row.event_id, rule_id=row.rule_id, former_id=row.pk)
    body = api.get(f"deliveries/{row.pk}/attempts").body
    assert (body["message"], body["last_reason"], body["last_detail"]) == (MESSAGE, "permanent_4xx", "HTTP 400")
    assert [(each["action"], each["attempt"]) for each in body["event_log"]] == [
        ("execute", 1),
        ("execute", 2),
        ("cancel", None),
    ]
    assert body["event_log"][0]["request"] == {"url": "https://desk.example/"}
    assert body["event_log"][1]["response"] == {"status": 400}
    assert body["successors"] == [follower.pk]
    assert api.get(f"deliveries/{follower.pk}").body["former"] == row.pk


def test_suppressed_deliveries_are_found_by_their_cause_and_sent_by_hand(api: Api, action: Action) -> None:
    muted = dead(action, state="suppressed", last_reason="rule_muted")
    dead(action, state="suppressed", last_reason="time_frame")
    assert api.get("deliveries", state="suppressed", reason="rule_muted").ids == [muted.pk]
    assert api.post(f"deliveries/{muted.pk}/replay", {}).body["state"] == "pending"


def test_a_changed_message_is_sent_as_another_delivery(api: Api, action: Action) -> None:
    row = dead(action)
    answer = api.post(f"deliveries/{row.pk}/edit-and-replay", {"message": {**MESSAGE, "body": {"n": 2}}})
    assert (answer.status, answer.body["former"], answer.body["state"]) == (201, row.pk, "pending")
    assert answer.body["webhook_id"] != str(row.webhook_id)
    assert api.get(answer.headers["Location"]).body["message"]["body"] == {"n": 2}
    assert api.get(f"deliveries/{row.pk}").body["state"] == "dead"
    wrong = api.post(f"deliveries/{row.pk}/edit-and-replay", {"message": {"method": "BREW"}})
    assert (wrong.status, wrong.places) == (400, ["/message/method"])


def test_deliveries_are_cancelled_one_or_many(api: Api, action: Action) -> None:
    rows = [make_delivery(action, event_id=make_event(action.space).pk) for _ in range(3)]
    answer = api.post(f"deliveries/{rows[0].pk}/cancel", None)
    assert (answer.status, answer.body["state"], answer.body["last_reason"]) == (200, "dead", "cancelled")
    assert api.post(f"deliveries/{rows[0].pk}/cancel", None).status == 409
    results = api.post("deliveries/_bulk_cancel", {"ids": [row.pk for row in rows] + [9**9]}).body
    assert [each["ok"] for each in results] == [False, True, True, False]
    assert Delivery.objects.filter(state="dead", last_reason="cancelled").count() == 3


def test_all_that_match_are_sent_again_by_a_job_whose_progress_can_be_read(api: Api, action: Action) -> None:
    rows = [dead(action) for _ in range(3)]
    dead(make_action(connector_of(action)))
    started = api.post("replays", {"filter": {"action": "tell"}, "rate": 100})
    assert (started.status, started.body["state"], started.body["total"]) == (202, "running", 3)
    assert started.body["filter"] == {"state": "dead", "action": "tell"}
    assert started.body["left"] == 3
    work_jobs()
    seen = api.get(started.headers["Location"]).body
    assert (seen["state"], seen["done"], seen["left"], seen["refused"]) == ("done", 3, 0, 0)
    assert set(Delivery.objects.filter(state="pending").values_list("pk", flat=True)) == {row.pk for row in rows}
    assert api.get("replays", state="done").ids == [seen["id"]]
    assert api.get("replays", state="running").ids == []


def test_the_same_key_starts_one_job(api: Api, action: Action) -> None:
    dead(action)
    key = {"idempotency-key": uuid4().hex}
    first, second = (api.send_with(key, "POST", "replays", {"filter": {}}) for _ in range(2))
    assert (first.status, second.status, second.body["id"]) == (202, 202, first.body["id"])
    assert DeliveryJob.objects.count() == 1


def test_a_job_is_paused_resumed_and_cancelled(api: Api, action: Action) -> None:
    dead(action)
    path = api.post("replays", {"filter": {}}).headers["Location"]
    assert api.post(f"{path}/pause", None).body["state"] == "paused"
    assert api.post(f"{path}/resume", None).body["state"] == "running"
    assert api.post(f"{path}/cancel", None).body["state"] == "cancelled"
    assert api.post(f"{path}/resume", None).status == 409
    work_jobs()
    assert Delivery.objects.get().state == "dead"


def test_all_that_match_are_cancelled_by_a_job(api: Api, action: Action) -> None:
    rows = [make_delivery(action, event_id=make_event(action.space).pk) for _ in range(3)]
    started = api.post("cancellations", {"filter": {"connector": "desk"}})
    assert (started.status, started.body["total"], started.body["kind"]) == (202, 3, "cancel")
    work_jobs()
    assert api.get(started.headers["Location"]).body["done"] == 3
    assert Delivery.objects.filter(pk__in=[row.pk for row in rows], last_reason="cancelled").count() == 3
    assert api.get("replays").ids == []  # another kind
    assert api.get(started.headers["Location"].replace("cancellations", "replays")).status == 404


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "/filter"),
        ({"filter": {"state": "pending"}}, "/filter/state"),
        ({"filter": {"colour": "red"}}, "/filter/colour"),
        ({"filter": {"event": 0}}, "/filter/event"),
        ({"filter": {"since": "0001-01-01T00:00:00+14:00"}}, "/filter/since"),
        ({"filter": {}, "rate": 0}, "/rate"),
        ({"filter": {}, "rate": 1001}, "/rate"),
        ({"filter": []}, "/filter"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused_at_its_place(api: Api, body: Any, place: str) -> None:
    answer = api.post("replays", body)
    assert answer.status == 400
    assert answer.places[0].startswith(place)


def test_a_job_reaches_no_other_space(api: Api, other_space: Space, action: Action) -> None:
    theirs = dead(make_action(make_connector(other_space, public_id="desk"), public_id="tell"))
    path = Api(other_space).post("replays", {"filter": {}}).headers["Location"]
    for asked in ({}, {"action": "tell"}, {"connector": "desk"}, {"event": theirs.event_id}):
        assert api.post("replays", {"filter": asked}).body["total"] == 0
    assert api.get(path.replace(other_space.slug, action.space.slug)).status == 404


def test_a_viewer_starts_nothing_and_an_operator_does(api: Api, space: Space, action: Action) -> None:
    row = dead(action)
    for role, expected in (("viewer", (403, 403, 403)), ("operator", (201, 200, 202))):
        api.headers = {"authorization": f"Bearer {create_api_key(space, role, role=role)[1]}"}
        given = {"message": {**MESSAGE, "body": role}}
        found = (
            api.post(f"deliveries/{row.pk}/edit-and-replay", given).status,
            api.post(f"deliveries/{row.pk}/replay", None).status,
            api.post("replays", {"filter": {}}).status,
        )
        assert found == expected


def test_a_fallback_is_named_by_its_id(api: Api, space: Space, action: Action) -> None:
    made = api.post("actions", {"name": "First", "id": "first", "connector": "desk", "fallback": "tell"})
    assert (made.status, made.body["fallback"]) == (201, "tell")
    refused = api.delete("actions/tell")
    assert (refused.status, "first" in refused.body["detail"]) == (409, True)
    assert api.patch("actions/tell", {"fallback": "first"}).places == ["/fallback"]
    assert api.patch("actions/first", {"fallback": "nobody"}).places == ["/fallback"]
    assert api.patch("actions/first", {"name": "Other"}).body["fallback"] == "tell"
    assert api.patch("actions/first", {"fallback": None}).body["fallback"] is None
    make_rule(space, actions=[action])
    changes = [each["after"] for each in api.get("audit", action="action.update").body["results"]]
    assert {"fallback": None} in changes


# --- What was asked wrongly ---


@pytest.mark.parametrize(
    ("bounds", "count"),
    [
        ({"until": "9999-12-31T23:59:59Z"}, 1),
        ({"finished_until": "9999-12-31T23:59:59.999999Z"}, 1),
        ({"since": "0001-01-01T00:00:00Z", "finished_since": "0001-01-01T00:00:00Z"}, 1),
        ({"until": "0001-01-01T00:00:00Z"}, 0),
        ({"since": "9999-12-31T23:59:59Z"}, 0),
    ],
)
def test_times_at_the_ends_of_the_calendar_are_times(
    api: Api, action: Action, bounds: dict[str, str], count: int
) -> None:
    dead(action)
    assert len(api.get("deliveries", **bounds).ids) == count
    assert api.post("replays", {"filter": bounds}).body["total"] == count
    assert api.post("cancellations", {"filter": bounds}).status == 202


@pytest.mark.parametrize(
    ("path", "body", "places"),
    [
        ("replay", {"reason": "x", "rate": 1}, ["/reason", "/rate"]),
        ("cancel", b"{broken", None),
        ("replay", [1], [""]),
        ("cancel", "text", [""]),
    ],
)
def test_a_field_where_none_is_taken_is_refused_and_nothing_is_done(
    api: Api, action: Action, path: str, body: Any, places: list[str] | None
) -> None:
    row = dead(action) if path == "replay" else make_delivery(action, event_id=make_event(action.space).pk)
    answer = api.send("POST", f"deliveries/{row.pk}/{path}", body)
    assert answer.status == 400
    assert places is None or sorted(answer.places) == sorted(places)
    assert Delivery.objects.get(pk=row.pk).state == row.state
    assert api.send("POST", f"deliveries/{row.pk}/{path}", {}).status == 200


def test_every_address_without_a_body_in_the_schema_refuses_fields(api: Api, action: Action) -> None:
    job = api.post("replays", {"filter": {}}).body
    for path in ("connectors/desk/probe", "connectors/desk/reconnect", f"replays/{job['id']}/cancel"):
        answer = api.post(path, {"nonsense": 1})
        assert (answer.status, answer.places) == (400, ["/nonsense"])


# --- What is shown of it ---


def test_deliveries_are_found_by_the_id_of_what_was_deleted(api: Api, space: Space, action: Action) -> None:
    row = dead(action)
    make_connector(space, public_id="other")
    assert api.send("DELETE", "connectors/desk", replace_with="other").status == 204
    assert api.delete("actions/tell").status == 204
    assert api.get("deliveries", connector="desk").ids == api.get("deliveries", action="tell").ids == [row.pk]
    shown = api.get(f"deliveries/{row.pk}").body
    assert (shown["connector"], shown["action"]) == ("desk", "tell")


def test_a_cancellation_shows_no_rate_and_a_replay_shows_what_changed_meanwhile(api: Api, action: Action) -> None:
    dead(action)
    assert api.post("cancellations", {"filter": {}}).body["rate"] is None
    first, second = (api.post("replays", {"filter": {}}).body for _ in range(2))
    assert (first["rate"], first["changed"]) == (50, 0)
    work_jobs()
    shown = [api.get(f"replays/{job['id']}").body for job in (first, second)]
    assert [(job["state"], job["total"], job["done"], job["changed"]) for job in shown] == [
        ("done", 1, 1, 0),
        ("done", 1, 0, 1),
    ]


def test_a_changed_message_keeps_what_is_not_sent(api: Api, space: Space) -> None:
    action = make_action(make_connector(space), params={"body": "{{ event }}", "batch_size": 5})
    row = dead(action, message={**MESSAGE, "path": "/a", "batch_size": 5})
    same = api.post(f"deliveries/{row.pk}/edit-and-replay", {"message": {}})
    assert (same.status, same.places) == (400, ["/message"])
    spoilt = api.post(f"deliveries/{row.pk}/edit-and-replay", {"message": {"body": "not JSON"}})
    assert (spoilt.status, spoilt.places) == (400, ["/message/body"])
    made = api.post(f"deliveries/{row.pk}/edit-and-replay", {"message": {"body": {"n": 2}}})
    assert made.status == 201
    assert made.body["message"] == {**MESSAGE, "path": "/a", "body": {"n": 2}, "batch_size": 5}


def test_a_template_that_nobody_wrote_is_not_sent_for_a_message_that_was_never_rendered(
    api: Api, action: Action
) -> None:
    row = dead(action, message={}, last_reason="template_error")
    answer = api.post(f"deliveries/{row.pk}/edit-and-replay", {"message": {"path": "/x"}})
    assert (answer.status, answer.places) == (400, ["/message/body"])
    assert api.post(f"deliveries/{row.pk}/edit-and-replay", {"message": {"body": {"n": 1}}}).status == 201


def test_a_disabled_connector_is_not_reconnected_without_a_word(api: Api, space: Space) -> None:
    make_connector(space, public_id="off", enabled=False)
    answer = api.send("POST", "connectors/off/reconnect")
    assert answer.status == 409
    assert '"off" is disabled. Enable it first' in answer.body["detail"]
