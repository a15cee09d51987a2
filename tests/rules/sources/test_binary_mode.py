"""The binary mode of the CloudEvents HTTP binding: headers and a body make the event of the structured mode."""

import json
from typing import Any

import pytest

from rules.incoming import IncomingEvent
from rules.sources import binary_mode
from rules.sources.bodies import EventReader
from spaces.errors import InvalidInput

REQUIRED = {
    "HTTP_CE_SPECVERSION": "1.0",
    "HTTP_CE_ID": "1",
    "HTTP_CE_SOURCE": "/s",
    "HTTP_CE_TYPE": "t",
    "HTTP_ACCEPT": "*/*",
}


def _read(body: bytes = b"", content_type: str = "", **headers: str) -> IncomingEvent:
    media_type = content_type.partition(";")[0]
    envelope = binary_mode.read_envelope(REQUIRED | headers, content_type, media_type, body)
    return EventReader().read_envelope(envelope)


def test_headers_and_body_make_the_same_event_as_the_structured_mode() -> None:
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "t",
        "subject": "Euro € 😀",
        "time": "2018-04-05T03:56:24Z",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "datacontenttype": "application/json; charset=utf-8",
        "data": {"a": [1, 2]},
    }
    event = _read(
        b'{ "a": [1, 2] }',
        "application/json; charset=utf-8",
        HTTP_CE_SUBJECT="Euro%20%E2%82%AC%20%F0%9F%98%80",
        HTTP_CE_TIME="2018-04-05T03:56:24Z",
        HTTP_CE_TRACEPARENT="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    assert event == EventReader().read_one(json.dumps(envelope).encode())


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("plain", "plain"),
        ("Euro%20%e2%82%ac", "Euro €"),
        ("%41%42", "AB"),
        ('"quoted \\"text\\""', 'quoted "text"'),
        ('"%22"', '"'),
        ("a b", "a b"),
        ("%2525", "%25"),
        ("100%", "100%"),
    ],
)
def test_header_values_are_unquoted_and_percent_decoded_once(value: str, meaning: str) -> None:
    assert _read(HTTP_CE_SUBJECT=value).subject == meaning


@pytest.mark.parametrize("value", ["%C0%A0", "%ED%A0%80", "%FF", "\xe9", "%00", "a%0Ab", "%7F", ""])
def test_header_values_that_are_no_text_are_refused(value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        _read(HTTP_CE_SUBJECT=value)
    assert refused.value.errors[0].pointer == "/subject"


@pytest.mark.parametrize(
    ("content_type", "body", "data", "is_binary"),
    [
        ("application/json", b"[1]", "[1]", False),
        ("application/vnd.example+json", b'"text"', '"text"', False),
        ("text/json", b"null", "null", False),
        ("text/plain; charset=utf-8", "grün".encode(), '"grün"', False),
        ("application/xml", b"<a/>", '"PGEvPg=="', True),
        ("application/octet-stream", b"\x00\xff", '"AP8="', True),
        ("", b"x", '"eA=="', True),
        ("application/json", b"", None, False),
    ],
)
def test_the_content_type_says_what_data_is(content_type: str, body: bytes, data: str | None, is_binary: bool) -> None:
    event = _read(body, content_type)
    assert (event.data, event.is_binary, event.datacontenttype) == (data, is_binary, content_type)


def test_a_header_with_a_dash_in_its_attribute_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        _read(HTTP_CE_MY_EXTENSION="x")
    assert refused.value.errors[0].pointer == "/my_extension"


@pytest.mark.parametrize(
    ("content_type", "body", "pointer"),
    [
        ("application/json", b'{"a":{"b":1,"b":1}}', "/data/a"),
        ("application/json", b"{", "/data"),
        ("text/plain", b"\xff", "/data"),
        ("text/plain", b"a\x00b", "/data"),
    ],
)
def test_a_fault_in_the_body_is_one_of_the_data(content_type: str, body: bytes, pointer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        _read(body, content_type)
    assert refused.value.errors[0].pointer == pointer


@pytest.mark.parametrize(
    ("header", "pointer"),
    [
        ("HTTP_CE_DATACONTENTTYPE", "/datacontenttype"),
        ("HTTP_CE_DATA", "/data"),
        ("HTTP_CE_DATA_BASE64", "/data_base64"),
    ],
)
def test_a_header_that_is_no_attribute_is_refused(header: str, pointer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        binary_mode.read_envelope(REQUIRED | {header: "x"}, "", "", b"")
    assert refused.value.errors[0].pointer == pointer


@pytest.mark.parametrize("header", ["HTTP_CE_TRACE", "HTTP_CE_SUBJECT", "HTTP_CE_ID"])
def test_a_header_that_the_server_could_not_decode_is_refused_and_not_kept_empty(header: str) -> None:
    with pytest.raises(InvalidInput, match="Percent-encode"):
        binary_mode.read_envelope(REQUIRED | {header: ""}, "", "", b"")
