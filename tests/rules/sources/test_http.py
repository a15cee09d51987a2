"""``POST /events``: what is answered is what was stored."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from rules.models import Event
from rules.sources import keys
from spaces.models import Space
from spaces.services import create_api_key, revoke_api_key
from tests.rules.sources.sender import BATCH, BINARY, CLOUDEVENT, LINES, Answer, Sender, envelope, stored
from tests.servers import wait_until

pytestmark = pytest.mark.django_db
# With the thread that commits for all requests, and true commits.
committing = pytest.mark.django_db(transaction=True)


# What an event is answered with


@committing
def test_an_event_is_stored_before_it_is_answered(sender: Sender) -> None:
    answer = sender.post(envelope("A-1", data={"n": 1}), CLOUDEVENT)
    event = Event.objects.get()
    assert answer.status == 202
    assert answer.body == {"id": event.pk, "event_id": "A-1", "source": "/mycontext", "status": "accepted"}
    assert (event.space_id, event.data) == (sender.space.pk, {"n": 1})


@committing
def test_a_repeat_is_answered_with_the_first_event(sender: Sender) -> None:
    first = sender.post(envelope("A-1", data={"a": 1, "b": 2}), CLOUDEVENT)
    again = sender.post(envelope("A-1", data={"b": 2, "a": 1}), CLOUDEVENT)
    assert again.status == 200
    assert again.body == first.body | {"status": "duplicate"}
    assert stored() == ["A-1"]


def test_another_body_under_the_same_id_is_a_conflict(sender: Sender) -> None:
    first = sender.post(envelope("A-1", data=1), CLOUDEVENT)
    clash = sender.post(envelope("A-1", data=2), CLOUDEVENT)
    assert clash.status == 409
    assert clash.body["id"] == first.body["id"]
    assert Event.objects.get().data == 1


@committing
def test_the_same_event_fifty_times_at_once_is_one_event(sender: Sender) -> None:
    def post(_: int) -> tuple[int, int]:
        try:
            answer = sender.post(envelope("A-1", data={"n": 1}), CLOUDEVENT)
            return answer.status, answer.body["id"]
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(post, range(50)))
    key = Event.objects.get().pk
    assert sorted(answers) == [(200, key)] * 49 + [(202, key)]


def test_structured_binary_and_plain_json_modes_are_taken(sender: Sender) -> None:
    answers = [
        sender.post(envelope("structured"), CLOUDEVENT),
        sender.post(envelope("json"), "application/json; charset=utf-8"),
        sender.post(b"text", "text/plain", headers=BINARY | {"ce-id": "binary"}),
        sender.post(b"", "", headers=BINARY | {"ce-id": "no%20body"}),
        sender.post({"n": 1}, query="?id=plain"),
    ]
    assert [answer.status for answer in answers] == [202] * 5
    assert stored() == ["structured", "json", "binary", "no body", "plain"]


def test_a_plain_object_takes_its_attributes_from_the_query_and_the_space(sender: Sender) -> None:
    sender.post({"n": 1})
    sender.post({"n": 1}, query="?type=sensor.reading&source=/line/3&subject=s%C3%BCd&id=7")
    default, named = Event.objects.order_by("id")
    assert (default.type, default.source, default.subject) == ("custom.event", "/spaces/plant-7", "")
    assert (named.type, named.source, named.subject, named.event_id) == ("sensor.reading", "/line/3", "süd", "7")
    assert default.data == named.data == {"n": 1}


@pytest.mark.parametrize(
    "query",
    ["?typ=x", "?type=a&type=b", "?type=", "?type=%FF", "?type=a%0Ab", "?id=%00", "?" + "&".join("abcdefghijk")],
)
def test_a_query_that_cannot_be_used_is_refused(sender: Sender, query: str) -> None:
    assert sender.post({"n": 1}, query=query).status == 400
    assert stored() == []


# Batches


@committing
def test_a_batch_stores_the_good_and_names_the_refused(sender: Sender) -> None:
    sender.post(envelope("taken", data=1), CLOUDEVENT)
    sender.post(envelope("known"), CLOUDEVENT)
    events = [json.dumps(envelope(f"e-{number}")) for number in range(20)]
    events[3] = '{"specversion":"1.0","id":"e-3","source":"/s","type":"t","data":{"a":[{"b":1,"b":2}]}}'
    events[5] = events[5].replace("someevent", "some\\nevent")
    events[7] = json.dumps(envelope("taken", data=2))
    events[8] = json.dumps(envelope("known"))
    events[9] = "[]"
    answer = sender.post(f"[{','.join(events)}]".encode(), BATCH)
    assert answer.status == 202
    assert (answer.body["accepted"], answer.body["duplicates"], answer.body["refused"]) == (15, 1, 4)
    assert [(error["index"], error["pointer"], error["status"]) for error in answer.body["errors"]] == [
        (3, "/3/data/a/0", 400),
        (5, "/5/type", 400),
        (7, "", 409),
        (9, "/9", 400),
    ]
    good = [f"e-{number}" for number in range(20) if number not in (3, 5, 7, 8, 9)]
    assert stored() == ["taken", "known", *good]
    shown = {entry["event_id"]: entry for entry in answer.body["events"]}
    assert list(shown) == [*good[:5], "known", *good[5:]]
    assert shown.pop("known")["status"] == "duplicate"
    assert {entry["status"] for entry in shown.values()} == {"accepted"}
    assert {entry["id"] for entry in shown.values()} == set(
        Event.objects.filter(event_id__in=good).values_list("pk", flat=True)
    )


def test_lines_are_events_of_their_own(sender: Sender) -> None:
    lines = [json.dumps(envelope("1")), "", '{"a":1,"a":2}', '{"broken"', '{"plain":true}']
    answer = sender.post("\r\n".join(lines).encode(), LINES, query="?type=line")
    assert answer.status == 202
    assert [entry["event_id"] for entry in answer.body["events"]] == stored()
    assert [(error["index"], error["detail"][:7]) for error in answer.body["errors"]] == [
        (1, "Line 3:"),
        (2, "Line 4:"),
    ]
    assert list(Event.objects.order_by("id").values_list("type", flat=True)) == ["com.example.someevent", "line"]


def test_an_event_twice_in_a_batch_is_stored_once(sender: Sender) -> None:
    answer = sender.post([envelope("1"), envelope("1"), envelope("1", data=2)])
    assert (answer.body["accepted"], answer.body["duplicates"], answer.body["refused"]) == (1, 1, 1)
    assert stored() == ["1"]


def test_a_batch_in_which_nothing_is_acceptable_is_refused(sender: Sender) -> None:
    answer = sender.post([{"specversion": "1.0"}, 5], BATCH)
    assert answer.status == 400
    assert [(error["index"], error["pointer"], error["status"]) for error in answer.body["errors"]] == [
        (0, "/0/id", 400),
        (1, "/1", 400),
    ]
    assert stored() == []


@pytest.mark.parametrize("body", [b'[{"a":1},{"b":]', b'[{"a":1}', b'[{"a":1}]]', b'{"a":1},{"a":2}', b"[1 2]"])
def test_a_batch_that_is_no_json_is_refused_whole_with_the_place(sender: Sender, body: bytes) -> None:
    answer = sender.post(body)
    assert answer.status == 400
    assert "line 1, column" in answer.body["errors"][0]["detail"]
    assert stored() == []


def test_an_id_in_the_query_cannot_name_a_batch(sender: Sender) -> None:
    assert sender.post([{"a": 1}], query="?id=1").place == "/id"
    assert stored() == []


# Keys and spaces


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer sy_wrong", "Basic dTpw", "Bearer s\xfc", "Token sy_x", "sy_x"]
)
def test_without_a_live_key_nothing_is_read(sender: Sender, authorization: str) -> None:
    answer = sender.post(b"no json", headers={"authorization": authorization})
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_both_words_for_a_key_are_taken(sender: Sender) -> None:
    authorization = sender.headers["authorization"]
    assert sender.post({}, headers={"authorization": authorization.replace("Bearer", "ApiKey")}).status == 202
    assert sender.post({}, headers={"authorization": authorization.replace("Bearer", "bearer")}).status == 202


def test_another_space_and_one_that_is_not_are_the_same_404(sender: Sender) -> None:
    other = Space.objects.create(slug="other", name="Other")
    sender.address = f"/api/v1/spaces/{other.slug}/events"
    of_other = sender.post({})
    sender.address = "/api/v1/spaces/nowhere/events"
    of_none = sender.post({})
    assert of_other.status == of_none.status == 404
    assert of_other.body == of_none.body
    assert stored() == []


def test_an_expired_key_is_refused_at_once(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "SECONDS", 3600.0)
    soon = timezone.now() + timedelta(seconds=0.5)
    sender.headers = {"authorization": f"Bearer {create_api_key(sender.space, 'short', soon)[1]}"}
    wait_until(lambda: sender.post({}).status == 401, "an expired key is refused")
    assert timezone.now() >= soon


def test_a_revoked_key_is_refused_within_seconds(sender: Sender) -> None:
    assert sender.post({}).status == 202
    revoke_api_key(sender.space.api_keys.get())
    wait_until(lambda: sender.post({}).status == 401, "a revoked key is refused", keys.SECONDS + 3)


def test_the_memory_of_keys_is_bounded(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST", 3)
    for number in range(10):
        keys.authenticate(create_api_key(sender.space, f"key {number}")[1])
        assert len(keys._known) <= 3


# What is not for this view, and faults of this side


def test_any_other_method_is_the_list_of_events(sender: Sender) -> None:
    sender.post(envelope("A-1"))
    response = sender.client.get(sender.address, headers=sender.headers)
    assert response.status_code == 200
    assert "A-1" in response.content.decode()
    for method in ("put", "delete", "patch"):
        assert Answer(getattr(sender.client, method)(sender.address, headers=sender.headers)).status == 405


@committing
def test_a_database_that_takes_nothing_is_503_and_the_sender_may_try_again(sender: Sender) -> None:
    sender.post(envelope("before"))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE rules_event RENAME TO rules_event_away")
    try:
        answer = sender.post(envelope("during"))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE rules_event_away RENAME TO rules_event")
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "5"
    assert sender.post(envelope("after")).status == 202
    assert stored() == ["before", "after"]
