"""CloudEvents and plain objects become events as the specification says, or are refused by attribute."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from rules.incoming import IncomingEvent
from rules.sources.bodies import EventReader, PlainEnvelope
from spaces.errors import InvalidInput
from spaces.strict_json import TooLarge

RECEIVED = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
ENVELOPE = {"specversion": "1.0", "id": "A-1", "source": "/mycontext", "type": "com.example.someevent"}
PLAIN = PlainEnvelope("custom.event", "/spaces/default")


def _read(**members: Any) -> IncomingEvent:
    return EventReader(received=RECEIVED).read_one(json.dumps(ENVELOPE | members).encode())


def _digest(**members: Any) -> bytes:
    return _read(**members).digest


def test_an_envelope_becomes_an_event_attribute_by_attribute() -> None:
    event = _read(
        subject="line 3",
        time="2018-04-05T17:31:00.123456789+02:00",
        datacontenttype="application/json; charset=utf-8",
        dataschema="https://example.com/schema",
        comexampleextension1="value",
        number=-5,
        flag=True,
        data={"b": [1, 2.5, None], "a": "é"},
    )
    assert event == IncomingEvent(
        source="/mycontext",
        event_id="A-1",
        type="com.example.someevent",
        subject="line 3",
        time=datetime(2018, 4, 5, 15, 31, 0, 123456, tzinfo=UTC),
        datacontenttype="application/json; charset=utf-8",
        dataschema="https://example.com/schema",
        extensions='{"comexampleextension1":"value","number":-5,"flag":true}',
        data='{"b":[1,2.5,null],"a":"é"}',
        is_binary=False,
        digest=event.digest,
    )
    assert len(event.digest) == 16


def test_absent_and_null_attributes_are_the_same() -> None:
    event = _read(subject=None, time=None, datacontenttype=None, dataschema=None, unsetextension=None, data_base64=None)
    assert (event.subject, event.datacontenttype, event.dataschema, event.extensions) == ("", "", "", "{}")
    assert event.time == RECEIVED
    assert event.data is None


@pytest.mark.parametrize("value", [None, False, 0, "", "text", [], {}])
def test_data_is_any_json_value_and_null_is_not_absence(value: object) -> None:
    event = _read(data=value)
    assert event.data == json.dumps(value)
    assert not event.is_binary


def test_base64_data_is_marked_as_bytes() -> None:
    event = _read(data_base64="AP8=", datacontenttype="application/octet-stream")
    assert (event.data, event.is_binary) == ('"AP8="', True)


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"specversion": "0.3"}, "/specversion"),
        ({"specversion": 1.0}, "/specversion"),
        ({"specversion": None}, "/specversion"),
        ({"id": None}, "/id"),
        ({"id": 17}, "/id"),
        ({"id": ""}, "/id"),
        ({"id": "a\nb"}, "/id"),
        ({"id": "i" * 257}, "/id"),
        ({"source": "  "}, "/source"),
        ({"source": "/a\x1b[31m"}, "/source"),
        ({"source": "é" * 257}, "/source"),
        ({"type": "a\x7fb"}, "/type"),
        ({"type": "a\x85b"}, "/type"),
        ({"type": "a\ufffeb"}, "/type"),
        ({"type": "a\U0010ffffb"}, "/type"),
        ({"type": "t" * 256}, "/type"),
        ({"type": ["a"]}, "/type"),
        ({"subject": ""}, "/subject"),
        ({"subject": False}, "/subject"),
        ({"dataschema": ""}, "/dataschema"),
        ({"datacontenttype": "json"}, "/datacontenttype"),
        ({"datacontenttype": "application/json\n"}, "/datacontenttype"),
        ({"data": 1, "data_base64": "AA=="}, "/data_base64"),
        ({"data": None, "data_base64": "AA=="}, "/data_base64"),
        ({"data_base64": "A"}, "/data_base64"),
        ({"data_base64": "AA==\n"}, "/data_base64"),
        ({"data_base64": 5}, "/data_base64"),
        ({"Upper": "x"}, "/Upper"),
        ({"under_score": "x"}, "/under_score"),
        ({"": "x"}, "/"),
        ({"a" * 65: "x"}, "/" + "a" * 65),
        ({"ext": 2**31}, "/ext"),
        ({"ext": 1.5}, "/ext"),
        ({"ext": {"a": 1}}, "/ext"),
        ({"ext": "a\x01b"}, "/ext"),
    ],
)
def test_a_bad_attribute_is_refused_by_name(members: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        _read(**members)
    assert [error.pointer for error in refused.value.errors] == [pointer]


@pytest.mark.parametrize(
    "time",
    [
        "2026-01-31",
        "2026-01-31T09:30:00",
        "2026-01-31 09:30:00Z",
        "20260131T093000Z",
        "2026-02-30T09:30:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T09:30:60Z",
        "2026-01-31T09:30:00+0100",
        "2026-01-31T09:30:00+01:60",
        "2026-01-31T09:30:00+24:00",
        "2026-01-31T09:30:00,5Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-00:01",
        "10000-01-01T00:00:00Z",
        "२०२६-01-31T09:30:00Z",
        "",
        1769851800,
    ],
)
def test_a_time_that_is_none_is_refused(time: object) -> None:
    with pytest.raises(InvalidInput, match="RFC 3339"):
        _read(time=time)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2026-01-31t09:30:00z", RECEIVED),
        ("2026-01-31T10:30:00+01:00", RECEIVED),
        ("2026-01-31T09:30:00-00:00", RECEIVED),
    ],
)
def test_a_time_is_kept_in_utc(text: str, time: datetime) -> None:
    assert _read(time=text).time == time


def test_the_limits_of_text_are_counted_in_bytes() -> None:
    assert _read(id="i" * 256, source="é" * 256, type="t" * 255).source == "é" * 256


def test_a_repeat_has_the_digest_of_the_first_and_another_body_has_not() -> None:
    assert _digest(data={"a": 1, "b": 2}) == _digest(data={"b": 2, "a": 1})
    others = [_digest(data={"a": 1}), _digest(data={"a": 2}), _digest(data="a"), _digest(subject="a"), _digest(ext="a")]
    assert len(set(others)) == len(others)


def test_an_event_past_the_limit_is_too_large() -> None:
    reader = EventReader(received=RECEIVED, max_bytes=200)
    text = json.dumps(ENVELOPE | {"data": "x" * 200}).encode()
    with pytest.raises(TooLarge, match="one may take 200"):
        reader.read_one(text)
    (refused, read) = reader.read_array(b"[%s,%s]" % (text, json.dumps(ENVELOPE).encode()))
    assert isinstance(refused, TooLarge)
    assert isinstance(read, IncomingEvent)


def test_numbers_that_grow_when_stored_count_as_they_are_stored() -> None:
    with pytest.raises(TooLarge):
        EventReader(PLAIN, max_bytes=1000).read_one(b'{"a":[1e300,1e300,1e300,1e300]}')


def test_a_plain_object_is_the_data_of_an_event() -> None:
    event = EventReader(PLAIN, RECEIVED).read_one(b'{"specversion":"1.0","type":"x","n":1}')
    assert (event.type, event.source, event.time) == ("custom.event", "/spaces/default", RECEIVED)
    assert event.data == '{"specversion":"1.0","type":"x","n":1}'
    assert event.datacontenttype == "application/json"
    assert event.event_id


def test_plain_objects_get_ids_of_their_own() -> None:
    array, lines = EventReader(PLAIN).read_array(b"[{},{}]"), EventReader(PLAIN).read_lines(b"{}\n{}")
    events = [*array, *lines, EventReader(PLAIN).read_one(b"{}")]
    ids = {event.event_id for event in events if isinstance(event, IncomingEvent)}
    assert len(ids) == 5


def test_the_digest_of_a_plain_object_covers_what_its_sender_named() -> None:
    named = [PlainEnvelope("t", "/s", "u", "1"), PlainEnvelope("T", "/s", "u", "1"), PlainEnvelope("t", "/S", "u", "1")]
    digests = {EventReader(plain, RECEIVED).read_one(b'{"a":1}').digest for plain in named}
    assert len(digests) == 3
    assert EventReader(named[0], datetime.now(UTC)).read_one(b'{ "a": 1 }').digest in digests


def test_a_plain_object_is_refused_where_only_cloudevents_are_taken() -> None:
    with pytest.raises(InvalidInput):
        EventReader().read_one(b'{"a":1}')


@pytest.mark.parametrize("text", ["1", '"a"', "null", "[]", "[{}]"])
def test_what_is_no_object_is_no_event(text: str) -> None:
    with pytest.raises(InvalidInput, match="An event is a JSON object"):
        EventReader(PLAIN).read_one(text.encode())


def test_each_line_stands_alone_and_is_named_by_its_number() -> None:
    good = json.dumps(ENVELOPE)
    lines = f'{good}\r\n\n  \n{{"a":1,"a":2}}\n{{"a":\n{good}'
    first, repeated, broken, last = EventReader(PLAIN, RECEIVED).read_lines(lines.encode())
    assert isinstance(first, IncomingEvent)
    assert isinstance(repeated, InvalidInput)
    assert repeated.errors[0].detail.startswith("Line 4: The key 'a'")
    assert isinstance(broken, InvalidInput)
    assert broken.errors[0].detail.startswith("Line 5: This is not JSON")
    assert first == last


def test_a_fault_in_an_element_is_named_from_the_array() -> None:
    deep = '{"a":' * 65 + "1" + "}" * 65
    outcomes = EventReader(PLAIN).read_array(f'[{{}},{{"b":[{{"a":1,"a":1}}]}},{deep},5]'.encode())
    assert isinstance(outcomes[0], IncomingEvent)
    pointers = [outcome.errors[0].pointer for outcome in outcomes if isinstance(outcome, InvalidInput)]
    assert pointers == ["/1/b/0", "/2" + "/a" * 64, "/3"]


def test_more_events_than_one_request_may_have_are_too_large() -> None:
    with pytest.raises(TooLarge, match="at most 10,000"):
        EventReader(PLAIN).read_array(b"[" + b"{}," * 10_000 + b"{}]")
    with pytest.raises(TooLarge, match="at most 10,000"):
        EventReader(PLAIN).read_lines(b"{}\n" * 10_001)
