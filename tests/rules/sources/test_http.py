"""``POST /events``: what is answered is what was stored, and no body makes anything but a problem."""

import gzip
import io
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from rules.models import Event
from rules.sources import keys
from spaces.models import Space
from spaces.services import create_api_key, revoke_api_key
from tests.servers import wait_until

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse

pytestmark = pytest.mark.django_db
# With the thread that commits for all requests, and true commits.
committing = pytest.mark.django_db(transaction=True)

ENVELOPE = {"specversion": "1.0", "id": "A-1", "source": "/mycontext", "type": "com.example.someevent"}
CLOUDEVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LINES = "application/x-ndjson"
NOTHING: Mapping[str, str] = {}
CHUNKED: dict[str, Any] = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
BINARY = {"ce-specversion": "1.0", "ce-id": "B-1", "ce-source": "/s", "ce-type": "t"}


class Sender:
    """Posts to a space with its key."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.client = Client(raise_request_exception=True)
        self.headers: dict[str, str] = {"authorization": f"Bearer {create_api_key(space, 'tests')[1]}"}
        self.address = f"/api/v1/spaces/{space.slug}/events"

    def post(
        self,
        body: object,
        content_type: str = "application/json",
        query: str = "",
        headers: Mapping[str, str] = NOTHING,
        environ: Mapping[str, Any] = NOTHING,
    ) -> "Answer":
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {**self.headers, **headers}
        given_environ = {"CONTENT_TYPE": content_type, **environ}
        return Answer(self.client.generic("POST", self.address + query, data, headers=given, **given_environ))


class Answer:
    """A response, proven to be JSON, and a problem unless the events were taken."""

    def __init__(self, response: "_MonkeyPatchedWSGIResponse") -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.body: Any = json.loads(response.content)
        if self.status not in {200, 202}:
            assert response["Content-Type"] == "application/problem+json"
            assert self.body["status"] == self.status

    @property
    def place(self) -> str:
        (error,) = self.body["errors"]
        return str(error["pointer"])


@pytest.fixture
def sender() -> Sender:
    return Sender(Space.objects.create(slug="plant-7", name="Plant 7"))


@pytest.fixture(autouse=True)
def forgotten_keys() -> Iterator[None]:
    yield
    keys._known.clear()


def _stored() -> list[str]:
    return list(Event.objects.order_by("id").values_list("event_id", flat=True))


def _envelope(event_id: object, **members: object) -> dict[str, object]:
    return ENVELOPE | {"id": event_id} | members


# What an event is answered with


@committing
def test_an_event_is_stored_before_it_is_answered(sender: Sender) -> None:
    answer = sender.post(_envelope("A-1", data={"n": 1}), CLOUDEVENT)
    event = Event.objects.get()
    assert answer.status == 202
    assert answer.body == {"id": event.pk, "event_id": "A-1", "source": "/mycontext", "status": "accepted"}
    assert (event.space_id, event.data) == (sender.space.pk, {"n": 1})


@committing
def test_a_repeat_is_answered_with_the_first_event(sender: Sender) -> None:
    first = sender.post(_envelope("A-1", data={"a": 1, "b": 2}), CLOUDEVENT)
    again = sender.post(_envelope("A-1", data={"b": 2, "a": 1}), CLOUDEVENT)
    assert again.status == 200
    assert again.body == first.body | {"status": "duplicate"}
    assert _stored() == ["A-1"]


def test_another_body_under_the_same_id_is_a_conflict(sender: Sender) -> None:
    first = sender.post(_envelope("A-1", data=1), CLOUDEVENT)
    clash = sender.post(_envelope("A-1", data=2), CLOUDEVENT)
    assert clash.status == 409
    assert clash.body["id"] == first.body["id"]
    assert Event.objects.get().data == 1


@committing
def test_the_same_event_fifty_times_at_once_is_one_event(sender: Sender) -> None:
    def post(_: int) -> tuple[int, int]:
        try:
            answer = sender.post(_envelope("A-1", data={"n": 1}), CLOUDEVENT)
            return answer.status, answer.body["id"]
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(post, range(50)))
    key = Event.objects.get().pk
    assert sorted(answers) == [(200, key)] * 49 + [(202, key)]


def test_structured_binary_and_plain_json_modes_are_taken(sender: Sender) -> None:
    answers = [
        sender.post(_envelope("structured"), CLOUDEVENT),
        sender.post(_envelope("json"), "application/json; charset=utf-8"),
        sender.post(b"text", "text/plain", headers=BINARY | {"ce-id": "binary"}),
        sender.post(b"", "", headers=BINARY | {"ce-id": "no%20body"}),
        sender.post({"n": 1}, query="?id=plain"),
    ]
    assert [answer.status for answer in answers] == [202] * 5
    assert _stored() == ["structured", "json", "binary", "no body", "plain"]


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
    assert _stored() == []


# Batches


@committing
def test_a_batch_stores_the_good_and_names_the_refused(sender: Sender) -> None:
    sender.post(_envelope("taken", data=1), CLOUDEVENT)
    sender.post(_envelope("known"), CLOUDEVENT)
    events = [json.dumps(_envelope(f"e-{number}")) for number in range(20)]
    events[3] = '{"specversion":"1.0","id":"e-3","source":"/s","type":"t","data":{"a":[{"b":1,"b":2}]}}'
    events[5] = events[5].replace("someevent", "some\\nevent")
    events[7] = json.dumps(_envelope("taken", data=2))
    events[8] = json.dumps(_envelope("known"))
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
    assert _stored() == ["taken", "known", *good]
    shown = {entry["event_id"]: entry for entry in answer.body["events"]}
    assert list(shown) == [*good[:5], "known", *good[5:]]
    assert shown.pop("known")["status"] == "duplicate"
    assert {entry["status"] for entry in shown.values()} == {"accepted"}
    assert {entry["id"] for entry in shown.values()} == set(
        Event.objects.filter(event_id__in=good).values_list("pk", flat=True)
    )


def test_lines_are_events_of_their_own(sender: Sender) -> None:
    lines = [json.dumps(_envelope("1")), "", '{"a":1,"a":2}', '{"broken"', '{"plain":true}']
    answer = sender.post("\r\n".join(lines).encode(), LINES, query="?type=line")
    assert answer.status == 202
    assert [entry["event_id"] for entry in answer.body["events"]] == _stored()
    assert [(error["index"], error["detail"][:7]) for error in answer.body["errors"]] == [
        (1, "Line 3:"),
        (2, "Line 4:"),
    ]
    assert list(Event.objects.order_by("id").values_list("type", flat=True)) == ["com.example.someevent", "line"]


def test_an_event_twice_in_a_batch_is_stored_once(sender: Sender) -> None:
    answer = sender.post([_envelope("1"), _envelope("1"), _envelope("1", data=2)])
    assert (answer.body["accepted"], answer.body["duplicates"], answer.body["refused"]) == (1, 1, 1)
    assert _stored() == ["1"]


def test_a_batch_in_which_nothing_is_acceptable_is_refused(sender: Sender) -> None:
    answer = sender.post([{"specversion": "1.0"}, 5], BATCH)
    assert answer.status == 400
    assert [(error["index"], error["pointer"], error["status"]) for error in answer.body["errors"]] == [
        (0, "/0/id", 400),
        (1, "/1", 400),
    ]
    assert _stored() == []


@pytest.mark.parametrize("body", [b'[{"a":1},{"b":]', b'[{"a":1}', b'[{"a":1}]]', b'{"a":1},{"a":2}', b"[1 2]"])
def test_a_batch_that_is_no_json_is_refused_whole_with_the_place(sender: Sender, body: bytes) -> None:
    answer = sender.post(body)
    assert answer.status == 400
    assert "line 1, column" in answer.body["errors"][0]["detail"]
    assert _stored() == []


def test_an_id_in_the_query_cannot_name_a_batch(sender: Sender) -> None:
    assert sender.post([{"a": 1}], query="?id=1").place == "/id"
    assert _stored() == []


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
    assert _stored() == []


def test_an_expired_key_is_refused_at_once(sender: Sender) -> None:
    assert sender.post({}).status == 202
    sender.space.api_keys.update(expires_at=timezone.now() - timedelta(seconds=1))
    keys._known.clear()
    assert sender.post({}).status == 401


def test_a_revoked_key_is_refused_within_seconds(sender: Sender) -> None:
    assert sender.post({}).status == 202
    revoke_api_key(sender.space.api_keys.get())
    wait_until(lambda: sender.post({}).status == 401, "a revoked key is refused", keys.SECONDS + 3)


def test_the_memory_of_keys_is_bounded(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST", 3)
    for number in range(10):
        keys.authenticate(create_api_key(sender.space, f"key {number}")[1])
        assert len(keys._known) <= 3


# Bodies that are refused before they are read


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/html",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/cloudevents+avro",
        "application/cloudevents",
        "nonsense",
        "\xff",
    ],
)
def test_a_wrong_content_type_is_415_and_says_what_is_taken(sender: Sender, content_type: str) -> None:
    answer = sender.post({"a": 1}, content_type)
    assert answer.status == 415
    assert "application/x-ndjson" in answer.body["detail"]
    assert _stored() == []


@pytest.mark.parametrize("charset", ["utf-16", "utf-7", "iso-8859-1", "bogus", "UTF-32LE"])
def test_a_charset_but_utf_8_is_415(sender: Sender, charset: str) -> None:
    for content_type in ("application/json", LINES, CLOUDEVENT, BATCH):
        assert sender.post({"a": 1}, f"{content_type}; charset={charset}").status == 415
    assert sender.post(b"a", f"text/plain; charset={charset}", headers=BINARY).status == 415
    assert _stored() == []


def test_a_charset_of_bytes_is_the_receivers_to_read(sender: Sender) -> None:
    assert sender.post(b"\xff\xfe<\0", "application/xml; charset=utf-16", headers=BINARY).status == 202


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity"])
def test_a_compressed_body_is_415(sender: Sender, encoding: str) -> None:
    bomb = gzip.compress(b" " * 1_000_000)
    answer = sender.post(bomb, headers={"content-encoding": encoding})
    assert answer.status == 415
    assert answer.headers["Accept-Encoding"] == "identity"


class Counted(io.RawIOBase):
    """A stream without an end that counts what is read of it."""

    taken = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0
        piece = b"[" * min(size, 1000)
        self.taken += len(piece)
        return piece


def test_a_body_that_says_it_is_too_long_is_413_unread(sender: Sender, settings: Settings) -> None:
    stream = Counted()
    length = str(settings.MAX_BODY_BYTES + 1)
    assert sender.post(b"", environ={"CONTENT_LENGTH": length, "wsgi.input": stream}).status == 413
    assert sender.post(b"", environ={"CONTENT_LENGTH": "9" * 5000, "wsgi.input": stream}).status == 413
    assert stream.taken == 0


def test_a_chunked_body_without_end_is_413_at_the_limit(sender: Sender, settings: Settings) -> None:
    settings.MAX_BODY_BYTES = 5000
    stream = Counted()
    answer = sender.post(b"", environ=CHUNKED | {"wsgi.input": stream})
    assert answer.status == 413
    assert stream.taken == 5001


def test_a_chunked_body_is_read_to_its_end(sender: Sender) -> None:
    stream = io.BytesIO(json.dumps(_envelope("chunked")).encode())
    answer = sender.post(b"", environ=CHUNKED | {"wsgi.input": stream})
    assert answer.status == 202
    assert _stored() == ["chunked"]


def test_a_body_shorter_than_it_says_is_refused(sender: Sender) -> None:
    answer = sender.post(b"", environ={"CONTENT_LENGTH": "100", "wsgi.input": io.BytesIO(b'{"a":1}')})
    assert answer.status == 400
    assert "93 bytes early" in answer.body["detail"]


@pytest.mark.parametrize("length", ["-5", "five", "0", ""])
def test_a_length_that_is_none_is_an_empty_body(sender: Sender, length: str) -> None:
    assert sender.post(b"", environ={"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(b'{"a":1}')}).status == 400


@pytest.mark.parametrize("body", [b"", b" ", b"\r\n", b"[]", b" [ ] "])
@pytest.mark.parametrize("content_type", ["application/json", LINES, BATCH])
def test_no_event_is_400(sender: Sender, body: bytes, content_type: str) -> None:
    assert sender.post(body, content_type).status == 400


def test_an_event_past_the_limit_is_413_alone_and_named_in_a_batch(sender: Sender, settings: Settings) -> None:
    settings.MAX_EVENT_BYTES = 1000
    large = _envelope("large", data="x" * 1000)
    assert sender.post(large, CLOUDEVENT).status == 413
    assert sender.post(b"x" * 1000, "text/plain", headers=BINARY).status == 413
    for batch, content_type in (
        (json.dumps([large, _envelope("small-1")]).encode(), BATCH),
        (b"%s\n%s" % (json.dumps(large).encode(), json.dumps(_envelope("small-2")).encode()), LINES),
    ):
        answer = sender.post(batch, content_type)
        assert answer.status == 202
        assert [(error["index"], error["status"]) for error in answer.body["errors"]] == [(0, 413)]
    assert _stored() == ["small-1", "small-2"]


# Hostile bodies: each is refused alone, and confined to its own place in a batch

DEEP = b'{"a":' * 65 + b"1" + b"}" * 65
HOSTILE = {
    "depth 65": (DEEP, 400),
    "depth 5,000": (b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
    "depth 100,000": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
    "depth 100,000, never closed": (b'{"a":' * 100_000, 413),
    "a million keys": (b"{" + b",".join(b'"%d":1' % number for number in range(1_000_000)) + b"}", 413),
    "NaN": (b'{"a":NaN}', 400),
    "Infinity": (b'{"a":Infinity}', 400),
    "-Infinity": (b'{"a":-Infinity}', 400),
    "1e999": (b'{"a":1e999}', 400),
    "1e100000": (b'{"a":1e100000}', 400),
    "4,301 digits": (b'{"a":' + b"9" * 4301 + b"}", 400),
    "2^63": (b'{"a":9223372036854775808}', 400),
    "-2^63-1": (b'{"a":-9223372036854775809}', 400),
    "2^64": (b'{"a":18446744073709551616}', 400),
    "duplicate key": (b'{"a":1,"a":2}', 400),
    "duplicate key, escaped": (b'{"a":1,"\\u0061":2}', 400),
    "duplicate key, hidden by a colon": (b'{"a":1,"a":2,"b":"\\u003a"}', 400),
    "key of 1 MB": (b'{"' + b"k" * 1_000_000 + b'":1}', 413),
    "key of 2 KB": (b'{"' + b"k" * 2000 + b'":1}', 400),
    "NUL": (b'{"a":"\\u0000"}', 400),
    "NUL in a key": (b'{"\\u0000":1}', 400),
    "raw NUL": (b'{"a":"\0"}', 400),
    "lone surrogate": (b'{"a":"\\ud800"}', 400),
    "lone low surrogate": (b'{"a":"\\udc00"}', 400),
    "surrogates in the wrong order": (b'{"a":"\\udc00\\ud800"}', 400),
    "surrogate as UTF-8": (b'{"a":"\xed\xa0\x80"}', 400),
    "invalid UTF-8": (b'{"a":"\xff"}', 400),
    "overlong UTF-8": (b'{"a":"\xc0\xaf"}', 400),
    "byte order mark": (b'\xef\xbb\xbf{"a":1}', 400),
    "UTF-16": ('{"a":1}'.encode("utf-16"), 400),
    "UTF-16 without a mark": ('{"a":1}'.encode("utf-16-le"), 400),
    "UTF-32": ('{"a":1}'.encode("utf-32"), 400),
    "gzip": (gzip.compress(b'{"a":1}'), 400),
    "not an object": (b"17", 400),
    "JavaScript": (b"{a:1}", 400),
    "comment": (b'{"a":1}//', 400),
    "two values": (b'{"a":1}{"a":2}', 400),
}


@pytest.fixture
def roomy(settings: Settings) -> None:
    """Let the longest of them past the limit of a body."""
    settings.MAX_BODY_BYTES = 32 << 20


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_refused_and_nothing_is_stored(sender: Sender, roomy: None, name: str) -> None:
    body, status = HOSTILE[name]
    answer = sender.post(body)
    assert answer.status == status
    assert answer.body["errors"][0]["detail"]
    assert _stored() == []


def test_hostile_lines_are_refused_each_alone(sender: Sender, roomy: None) -> None:
    lines = {name: line for name, line in HOSTILE.items() if b"\n" not in line[0]}
    bodies = [body for body, _ in lines.values()]
    answer = sender.post(b"\n".join([*bodies, json.dumps(_envelope("good")).encode()]), LINES)
    assert answer.status == 202
    refused = {error["index"]: error["status"] for error in answer.body["errors"]}
    assert dict(zip(lines, refused.values(), strict=True)) == {name: status for name, (_, status) in lines.items()}
    assert list(refused) == list(range(len(lines)))
    assert _stored() == ["good"]


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("depth 65", ["good"]),
        ("depth 5,000", []),
        ("a million keys", ["good"]),
        ("NaN", ["good"]),
        ("1e999", ["good"]),
        ("4,301 digits", ["good"]),
        ("2^64", ["good"]),
        ("duplicate key", ["good"]),
        ("duplicate key, hidden by a colon", ["good"]),
        ("key of 2 KB", ["good"]),
        ("NUL", ["good"]),
        ("raw NUL", []),
        ("lone surrogate", ["good"]),
        ("invalid UTF-8", ["good"]),
        ("byte order mark", []),
        ("JavaScript", []),
    ],
)
def test_a_hostile_element_is_refused_alone_where_the_array_is_json(
    sender: Sender, roomy: None, name: str, stored: list[str]
) -> None:
    body, _ = HOSTILE[name]
    answer = sender.post(b"[%s,%s]" % (json.dumps(_envelope("good")).encode(), body))
    assert answer.status == (202 if stored else 400)
    assert _stored() == stored


@pytest.mark.parametrize(
    "data",
    [
        {"": 1, "__proto__": {"admin": True}},
        {"numbers": [0.1, 5e-324, 1e16, 1e19, -1e20, 2**63 - 1, -(2**63), 1.7976931348623157e308]},
        {"text": "\x7f\u202e\u200b😀\ufeff</script>{{7*7}}"},
        {"😀": "[" * 100 + ":" * 100},
    ],
)
def test_odd_but_honest_data_is_kept_as_it_came(sender: Sender, data: dict[str, object]) -> None:
    assert sender.post(data).status == 202
    assert repr(Event.objects.get().data) == repr(data)


def test_control_characters_in_attributes_are_refused(sender: Sender) -> None:
    attributes, signs = ["id", "source", "type", "subject"], "\n\r\t\x1b\x7f\x85"
    events = [_envelope("1", **{attribute: f"a{sign}b"}) for attribute in attributes for sign in signs]
    answer = sender.post([*events, _envelope("good")])
    expected = [f"/{index}/{attributes[index // len(signs)]}" for index in range(len(events))]
    assert [error["pointer"] for error in answer.body["errors"]] == expected
    assert _stored() == ["good"]


def test_the_longest_source_and_id_can_be_stored_and_looked_up(sender: Sender) -> None:
    event = _envelope("é" * 128, source="😀" * 128)
    assert [sender.post(event, CLOUDEVENT).status for _ in range(2)] == [202, 200]


# What is not for this view, and faults of this side


def test_any_other_method_is_the_list_of_events(sender: Sender) -> None:
    sender.post(_envelope("A-1"))
    response = sender.client.get(sender.address, headers=sender.headers)
    assert response.status_code == 200
    assert "A-1" in response.content.decode()
    for method in ("put", "delete", "patch"):
        assert Answer(getattr(sender.client, method)(sender.address, headers=sender.headers)).status == 405


@committing
def test_a_database_that_takes_nothing_is_503_and_the_sender_may_try_again(sender: Sender) -> None:
    sender.post(_envelope("before"))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE rules_event RENAME TO rules_event_away")
    try:
        answer = sender.post(_envelope("during"))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE rules_event_away RENAME TO rules_event")
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "5"
    assert sender.post(_envelope("after")).status == 202
    assert _stored() == ["before", "after"]
