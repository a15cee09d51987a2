"""No body makes ``POST /events`` answer with anything but a problem, and nothing of a refused event is stored."""

import gzip
import io
import json
from typing import Any

import pytest
from pytest_django import Settings

from rules.models import Event
from tests.rules.sources.sender import BATCH, BINARY, CLOUDEVENT, LINES, Sender, envelope, stored

pytestmark = pytest.mark.django_db

CHUNKED: dict[str, Any] = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}


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
    assert stored() == []


@pytest.mark.parametrize("charset", ["utf-16", "utf-7", "iso-8859-1", "bogus", "UTF-32LE"])
def test_a_charset_but_utf_8_is_415(sender: Sender, charset: str) -> None:
    for content_type in ("application/json", LINES, CLOUDEVENT, BATCH):
        assert sender.post({"a": 1}, f"{content_type}; charset={charset}").status == 415
    assert sender.post(b"a", f"text/plain; charset={charset}", headers=BINARY).status == 415
    assert stored() == []


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
    stream = io.BytesIO(json.dumps(envelope("chunked")).encode())
    answer = sender.post(b"", environ=CHUNKED | {"wsgi.input": stream})
    assert answer.status == 202
    assert stored() == ["chunked"]


def test_lines_without_a_length_are_refused_since_a_part_of_them_looks_whole(sender: Sender) -> None:
    stream = io.BytesIO(json.dumps(envelope("first of two")).encode() + b"\n")
    environ = CHUNKED | {"wsgi.input": stream, "HTTP_TRANSFER_ENCODING": "chunked"}
    assert sender.post(b"", LINES, environ=environ).status == 411
    assert stored() == []


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
    answer = sender.post(body, content_type)
    assert answer.status == 400
    assert any(words in json.dumps(answer.body) for words in ("no event", "is empty", "JSON object"))


def test_an_event_past_the_limit_is_413_alone_and_named_in_a_batch(sender: Sender, settings: Settings) -> None:
    settings.MAX_EVENT_BYTES = 1000
    large = envelope("large", data="x" * 1000)
    assert sender.post(large, CLOUDEVENT).status == 413
    assert sender.post(b"x" * 1000, "text/plain", headers=BINARY).status == 413
    for batch, content_type in (
        (json.dumps([large, envelope("small-1")]).encode(), BATCH),
        (b"%s\n%s" % (json.dumps(large).encode(), json.dumps(envelope("small-2")).encode()), LINES),
    ):
        answer = sender.post(batch, content_type)
        assert answer.status == 202
        assert [(error["index"], error["status"]) for error in answer.body["errors"]] == [(0, 413)]
    assert stored() == ["small-1", "small-2"]


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
    assert stored() == []


def test_hostile_lines_are_refused_each_alone(sender: Sender, roomy: None) -> None:
    lines = {name: line for name, line in HOSTILE.items() if b"\n" not in line[0]}
    bodies = [body for body, _ in lines.values()]
    answer = sender.post(b"\n".join([*bodies, json.dumps(envelope("good")).encode()]), LINES)
    assert answer.status == 202
    refused = {error["index"]: error["status"] for error in answer.body["errors"]}
    assert dict(zip(lines, refused.values(), strict=True)) == {name: status for name, (_, status) in lines.items()}
    assert list(refused) == list(range(len(lines)))
    assert stored() == ["good"]


@pytest.mark.parametrize(
    ("name", "kept"),
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
    sender: Sender, roomy: None, name: str, kept: list[str]
) -> None:
    body, _ = HOSTILE[name]
    answer = sender.post(b"[%s,%s]" % (json.dumps(envelope("good")).encode(), body))
    assert answer.status == (202 if kept else 400)
    assert stored() == kept


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
    events = [envelope("1", **{attribute: f"a{sign}b"}) for attribute in attributes for sign in signs]
    answer = sender.post([*events, envelope("good")])
    expected = [f"/{index}/{attributes[index // len(signs)]}" for index in range(len(events))]
    assert [error["pointer"] for error in answer.body["errors"]] == expected
    assert stored() == ["good"]


def test_the_longest_source_and_id_can_be_stored_and_looked_up(sender: Sender) -> None:
    event = envelope("é" * 128, source="😀" * 128)
    assert [sender.post(event, CLOUDEVENT).status for _ in range(2)] == [202, 200]
