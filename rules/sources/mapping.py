"""Which event a message is: what every source that reads messages lets its editor say, and how that is applied."""

from base64 import b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import uuid4

import orjson
from django.conf import settings
from django.utils import timezone
from pydantic import BaseModel, ConfigDict, Field

from actions.templating import CompiledParams, TemplateError, compile_params
from rules.incoming import IncomingEvent
from rules.sources import binary_mode, cloudevents
from rules.sources.bodies import EventReader
from rules.sources.origins import origin_of_delivery, with_origin
from spaces import strict_json
from spaces.errors import FieldError, InvalidInput
from spaces.strict_json import TooLarge
from spaces.validation import reject

if TYPE_CHECKING:
    from rules.sources.base import Message

Format = Literal["json", "cloudevents", "text", "base64"]

VARIABLES: Final = {
    "message": "The message.",
    "source": "The source, with its id and name.",
    "connector": "The connector that it reads through, with its id and name.",
}
TEMPLATES: Final = ("event_type", "event_source", "event_subject", "event_id")
MAX_TEMPLATE: Final = 2000
_STRUCTURED: Final = "application/cloudevents"


class MappedParams(BaseModel):
    """What the params of every source type have. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Format = Field(
        "json",
        title="Format",
        description=(
            "What a message's body is. json: any JSON. cloudevents: a CloudEvent, structured or in binary mode, which "
            "says all of the below itself. text: UTF-8. base64: bytes, kept in base64."
        ),
    )
    data: Literal["value", "message"] = Field(
        "value",
        title="Event data",
        description="value: the body alone. message: an object of the body, as value, and all that came along with it.",
    )
    event_type: str = Field("", title="Event type", max_length=MAX_TEMPLATE)
    event_source: str = Field("", title="Event source", max_length=MAX_TEMPLATE)
    event_subject: str = Field("", title="Event subject", max_length=MAX_TEMPLATE)
    event_id: str = Field("", title="Event ID", max_length=MAX_TEMPLATE)

    def check(self, pointer: str) -> None:
        """Raise InvalidInput for what is not stored: a template that cannot be rendered, and what the type says.

        What was stored before it was looked at still opens.
        """
        _compile(self, pointer)


class Mapper:
    """Makes events of the messages of one source. Threads may use it at the same time."""

    def __init__(
        self, params: MappedParams, *, usual_type: str, source: Mapping[str, str], connector: Mapping[str, str]
    ) -> None:
        """Raise InvalidInput where a template cannot be rendered. ``source`` and ``connector`` have id and name."""
        self._params = params
        self._usual_type = usual_type
        self._templates = _compile(params, "/params")
        self._around = {"source": dict(source), "connector": dict(connector)}

    def has_own_id(self, message: "Message", event: IncomingEvent) -> bool:
        """Whether the event's id is only where the message stood: another message may come to stand there."""
        return bool(message.id) and event.event_id == message.id and self._params.format != "cloudevents"

    def read(self, message: "Message") -> IncomingEvent:
        """Return the event that the message is; raise InvalidInput, or TooLarge past settings.MAX_EVENT_BYTES."""
        if message.fault:
            raise reject("", message.fault)
        body = message.body or b""
        _check_size(body)
        event = self._cloud_event(message, body) if self._params.format == "cloudevents" else self._mapped(message)
        if message.hop:
            return with_origin(event, origin_of_delivery(message.hop, message.webhook_id))
        return event

    def _cloud_event(self, message: "Message", body: bytes) -> IncomingEvent:
        media_type = message.content_type.partition(";")[0].strip().lower()
        if not message.attributes or media_type.startswith(_STRUCTURED):
            if media_type.startswith(_STRUCTURED) and not media_type.endswith("+json"):
                raise reject("", f"{media_type} cannot be read; send application/cloudevents+json.")
            return EventReader().read_one(body)
        envelope: dict[str, Any] = dict(message.attributes)
        for name in ("datacontenttype", "data", "data_base64"):
            envelope.pop(name, None)
        if message.content_type:
            envelope["datacontenttype"] = message.content_type
        return EventReader().read_envelope(envelope | binary_mode.read_data(media_type, body))

    def _mapped(self, message: "Message") -> IncomingEvent:
        value, canonical = self._value(message.body)
        about = {**message.about, "value": value}
        written = self._render(about)
        type_ = cloudevents.check_text("type", written["event_type"] or self._usual_type)
        source = cloudevents.check_text("source", written["event_source"] or message.source)
        subject = written["event_subject"] or message.subject
        if subject:
            cloudevents.check_text("subject", subject)
        event_id = written["event_id"]
        if event_id:
            digest = cloudevents.digest(orjson.dumps([type_, source, subject]) + canonical)
        else:
            # The mapping may change between two times that a message comes: it is still the same message.
            digest = cloudevents.digest(message.fingerprint + canonical)
            event_id = message.id or str(uuid4())
        is_whole = self._params.data == "message"
        has_data = is_whole or message.body is not None
        is_binary = self._params.format == "base64" and not is_whole
        data = strict_json.storable(about if is_whole else value) if has_data else None
        if data is not None and not is_binary:
            _check_size(data)
        return IncomingEvent(
            source,
            cloudevents.check_text("id", event_id),
            type_,
            subject,
            message.time or timezone.now(),
            self._content_type(message) if has_data else "",
            "",
            orjson.dumps(message.extensions).decode() if message.extensions else "{}",
            data,
            is_binary and has_data,
            digest,
        )

    def _value(self, body: bytes | None) -> tuple[Any, bytes]:
        """Return the body as JSON data, and in the form that is digested."""
        if body is None:
            return None, b""
        if self._params.format == "json":
            return strict_json.read(body)
        if self._params.format == "base64":
            return b64encode(body).decode(), body
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise reject("", f"Byte {error.start} is not UTF-8.") from None
        if "\0" in text:
            raise reject("", "There is a character U+0000 in it, which cannot be stored.")
        return text, body

    def _render(self, about: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._templates.render({"message": about, **self._around})
        except TemplateError as error:
            raise InvalidInput([FieldError(error.pointer, error.detail)]) from None

    def _content_type(self, message: "Message") -> str:
        if self._params.data == "message" or self._params.format == "json":
            return "application/json"
        if self._params.format == "text":
            return "text/plain"
        return "application/octet-stream"


def _compile(params: MappedParams, pointer: str) -> CompiledParams:
    templates = {name: getattr(params, name) for name in TEMPLATES}
    return compile_params(templates, lambda _: "text", pointer, variables=VARIABLES)


def _check_size(text: bytes | str) -> None:
    if len(text) > settings.MAX_EVENT_BYTES:
        detail = f"The event takes {len(text):,} bytes; one may take {settings.MAX_EVENT_BYTES:,}."
        raise TooLarge([FieldError("", detail)])
