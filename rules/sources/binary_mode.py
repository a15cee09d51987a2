"""The binary mode of the CloudEvents HTTP binding, version 1.0.2: attributes in ``ce-`` headers, data in the body."""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from spaces import strict_json
from spaces.errors import FieldError, InvalidInput
from spaces.validation import reject

_HEADER = "HTTP_CE_"
_JSON_SUBTYPE = re.compile(r".+/(?:.+\+)?json")
_ESCAPED = re.compile(r"\\(.)")
_ELSEWHERE = {
    "datacontenttype": "The Content-Type header carries this attribute.",
    "data": "The body carries the data.",
    "data_base64": "The body carries the data.",
}


def has_attributes(environ: Mapping[str, Any]) -> bool:
    """Whether a request, given as its WSGI environment, names any required attribute in a header."""
    return any(name in environ for name in ("HTTP_CE_ID", "HTTP_CE_SPECVERSION", "HTTP_CE_TYPE", "HTTP_CE_SOURCE"))


def has_characters(media_type: str) -> bool:
    """Whether a body of this type is read as text, and not kept as bytes."""
    return media_type.startswith("text/") or _JSON_SUBTYPE.fullmatch(media_type) is not None


def read_envelope(environ: Mapping[str, Any], content_type: str, media_type: str, body: bytes) -> dict[str, Any]:
    """Return the event as the JSON envelope that the structured mode would have sent.

    ``content_type`` is the whole header, ``media_type`` the part before its parameters. Raises InvalidInput with a
    pointer into the envelope.
    """
    envelope: dict[str, Any] = {}
    for header, value in environ.items():
        if header.startswith(_HEADER):
            name = header.removeprefix(_HEADER).lower()
            if name in _ELSEWHERE:
                raise reject(f"/{name}", _ELSEWHERE[name])
            envelope[name] = _decode(name, value)
    if content_type:
        envelope["datacontenttype"] = content_type
    return envelope | read_data(media_type, body)


def _decode(name: str, value: str) -> str:
    """Undo the quoting and one round of percent-encoding (sections 3.1.3.2)."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _ESCAPED.sub(r"\1", value[1:-1])
    if not value:
        # A server that cannot decode a header hands it over empty.
        raise reject(f"/{name}", "This header is empty or not ASCII. Percent-encode its value as UTF-8.")
    try:
        return unquote_to_bytes(value.encode("ascii")).decode("utf-8")
    except UnicodeError:
        raise reject(f"/{name}", "Percent-encode this header's value as UTF-8.") from None


def read_data(media_type: str, body: bytes) -> dict[str, Any]:
    """Return the data as the field of an envelope that holds it; raise InvalidInput with a pointer into that."""
    if not body:
        return {}
    if _JSON_SUBTYPE.fullmatch(media_type):
        try:
            return {"data": strict_json.read(body).value}
        except InvalidInput as invalid:
            raise InvalidInput(FieldError(f"/data{error.pointer}", error.detail) for error in invalid.errors) from None
    if not has_characters(media_type):
        return {"data_base64": b64encode(body).decode()}
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise reject("/data", f"Byte {error.start} of the body is not UTF-8.") from None
    if "\0" in text:
        raise reject("/data", "Take out the character U+0000, which cannot be stored.")
    return {"data": text}
