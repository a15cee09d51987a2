"""CloudEvents 1.0 (https://github.com/cloudevents/spec): from an envelope as JSON to an event that can be stored."""

import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import orjson
from django.db import models

from rules.incoming import HOP_ATTRIBUTE, IncomingEvent
from rules.models import Event
from rules.sources.origins import origin_in_envelope
from spaces.services import OWN_EVENTS
from spaces.strict_json import storable
from spaces.validation import extend, reject

REQUIRED = frozenset({"specversion", "id", "source", "type"})

_NAME = re.compile(r"[a-z0-9]{1,64}")
_MEDIA_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*(?:;.*)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:[0-5]\d)", re.ASCII | re.IGNORECASE)
# Controls, surrogates and noncharacters: what section "Type System" keeps out of a String.
_NOT_ALLOWED = re.compile(
    "[\0-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
    + "]"
)


def _longest(field: str) -> int:
    column = Event._meta.get_field(field)
    assert isinstance(column, models.CharField)
    assert column.max_length
    return column.max_length


_LONGEST = {name: _longest(name) for name in ("source", "type", "subject", "datacontenttype", "dataschema")} | {
    "id": _longest("event_id")
}


def read_event(envelope: Mapping[str, Any], canonical: bytes, received: datetime) -> IncomingEvent:
    """Return the event in a CloudEvents JSON envelope; ``canonical`` is its compact form, which is digested.

    A null attribute is an absent one (JSON format, section 2.2); ``received`` stands in for an absent time. Raises
    InvalidInput with a pointer into the envelope.
    """
    rest = dict(envelope)
    if rest.pop("specversion", None) != "1.0":
        raise reject("/specversion", 'This must be "1.0".')
    event_id = _take_required(rest, "id")
    source = _take_required(rest, "source")
    type_ = _take_required(rest, "type")
    subject = _take_optional(rest, "subject")
    dataschema = _take_optional(rest, "dataschema")
    datacontenttype = _take_optional(rest, "datacontenttype")
    if datacontenttype not in {"", "application/json"} and not _MEDIA_TYPE.fullmatch(datacontenttype):
        raise reject("/datacontenttype", "This must be a media type, such as application/json.")
    time = rest.pop("time", None)
    data, is_binary = _take_data(rest)
    hop = rest.pop(HOP_ATTRIBUTE, None)
    return IncomingEvent(
        source,
        event_id,
        type_,
        subject,
        received if time is None else _read_time(time),
        datacontenttype,
        dataschema,
        _read_extensions(rest) if rest else "{}",
        data,
        is_binary,
        digest(canonical),
        None if hop is None else origin_in_envelope(hop),
    )


def check_text(name: str, value: object) -> str:
    """Return ``value`` if it can stand as this attribute: a CloudEvents String, not empty, not too long."""
    if type(value) is not str:
        raise reject(f"/{name}", "This must be a string.")
    if not value or value.isspace():
        raise reject(f"/{name}", "This must not be empty.")
    if not value.isprintable():
        _check_characters(name, value)
    # In bytes: PostgreSQL's index over source and id takes no more.
    if (length := len(value) if value.isascii() else len(value.encode())) > _LONGEST[name]:
        raise reject(f"/{name}", f"Use at most {_LONGEST[name]} bytes of UTF-8; these are {length}.")
    if name == "type" and value.startswith(OWN_EVENTS):
        raise reject("/type", f"Types that begin with {OWN_EVENTS} are for events of the installation itself.")
    return value


def digest(content: bytes) -> bytes:
    """Return the 16 bytes that tell a repeated event from another one with the same id."""
    return blake2b(content, digest_size=16).digest()


def _take_required(rest: dict[str, Any], name: str) -> str:
    value = rest.pop(name, None)
    if value is None:
        raise reject(f"/{name}", "Every CloudEvent has this attribute.")
    return check_text(name, value)


def _take_optional(rest: dict[str, Any], name: str) -> str:
    value = rest.pop(name, None)
    return "" if value is None else check_text(name, value)


def _take_data(rest: dict[str, Any]) -> tuple[str | None, bool]:
    """Return the data as JSON text, and whether that is base64 of bytes. A null ``data`` is data: JSON's null."""
    encoded = rest.pop("data_base64", None)
    if encoded is None:
        return (storable(rest.pop("data")), False) if "data" in rest else (None, False)
    if "data" in rest:
        raise reject("/data_base64", "Send data or data_base64, not both.")
    try:
        binascii.a2b_base64(encoded, strict_mode=True)
    except (ValueError, TypeError):
        raise reject("/data_base64", "This must be a string of base64.") from None
    return f'"{encoded}"', True


def _read_time(value: object) -> datetime:
    """Return an RFC 3339 timestamp in UTC."""
    if type(value) is str and _TIME.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value.upper())
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise reject("/time", "This must be a time as RFC 3339 has it, such as 2026-01-31T09:30:00Z.")


def _read_extensions(rest: dict[str, Any]) -> str:
    """Return the extension attributes as a JSON object."""
    extensions = {}
    for name, value in rest.items():
        if not _NAME.fullmatch(name):
            raise reject(extend("", name), "Name attributes with 1 to 64 of a to z and 0 to 9.")
        match value:
            case None:
                continue
            case str():
                _check_characters(name, value)
            case bool():
                pass
            case int() if -(2**31) <= value < 2**31:
                pass
            case _:
                raise reject(f"/{name}", "An extension is a string, a whole number of 32 bit, true or false.")
        extensions[name] = value
    return orjson.dumps(extensions).decode()


def _check_characters(name: str, value: str) -> None:
    if bad := _NOT_ALLOWED.search(value):
        raise reject(f"/{name}", f"Take out the character U+{ord(bad.group()):04X}.")
