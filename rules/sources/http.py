"""``POST /api/v1/spaces/{space}/events``: events over HTTP. A plain Django view, because it is the busiest one."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import IO, Any
from urllib.parse import parse_qs

import orjson
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from rules.incoming import Acceptance, CannotAccept, IncomingEvent, KeyEnded
from rules.services.accept import accept_events
from rules.services.quotas import SpaceIsFull, admit_events
from rules.sources import binary_mode, keys
from rules.sources.bodies import EventReader, Outcome, PlainEnvelope
from rules.sources.cloudevents import check_text
from rules.sources.origins import HOP_HEADER, hop_of_refused, origin_in_headers, with_origin
from rules.sources.refusals import refusals
from spaces.api.authentication import SCHEMES
from spaces.api.idempotency import KEY_FORM, InvalidIdempotencyKey
from spaces.api.problems import NOT_FOUND
from spaces.errors import FieldError, InvalidInput
from spaces.models import ApiKey, Space
from spaces.problems import problem
from spaces.roles import ABILITIES, Ability, Role
from spaces.services import InvalidKey
from spaces.services.limits import TooMany, TooManyAtOnce, count_request_of_key
from spaces.strict_json import TooLarge
from spaces.validation import reject

_JSON = "application/json"
_EVENT = "application/cloudevents+json"
_BATCH = "application/cloudevents-batch+json"
_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
_TAKEN = f"{_JSON}, {_EVENT}, {_BATCH}, application/x-ndjson, or any type beside the ce- headers of the binary mode"


_NO_KEY = "Send a live API key of the space, as Authorization: Bearer <key>."
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="switchyard"'}


# What switchyard.ingest.refused calls it, by the status that a refused event got or would have got alone.
_REASONS = {
    400: "invalid",
    409: "conflict",
    411: "length_required",
    413: "too_large",
    415: "unsupported_media_type",
    429: "too_many",
}

Answer = tuple[HttpResponse, Sequence[str]]  # and why each event was refused that was, or the request


class _Refused(Exception):
    """The request cannot be served; ``answer`` says why."""

    def __init__(self, status: int, detail: str, **parts: Any) -> None:
        self.answer = problem(status, detail, **parts)


@dataclass(frozen=True, slots=True)
class RefusedEvent(FieldError):
    """Why the event at ``index`` of a batch was not stored; ``status`` is what it would have got alone."""

    index: int
    status: int


def events_view(read_events: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Return the view of a space's events: POST accepts some, any other method is left to ``read_events``."""

    @csrf_exempt
    @wraps(read_events)
    def view(request: HttpRequest, space: str) -> HttpResponseBase:
        return accept(request, space) if request.method == "POST" else read_events(request, space=space)

    return view


def accept(request: HttpRequest, slug: str) -> HttpResponse:
    """Store the events in the request; every answer but 200 and 202 is a problem."""
    try:
        key = _open_space(request, slug)
    except _Refused as unopened:
        return unopened.answer
    except (OperationalError, InterfaceError):
        return _unavailable()
    try:
        count_request_of_key(key)
        incoming = _read_events(request, key.space)
        if HOP_HEADER in request.META:
            incoming = _with_origin(request, incoming)
        if isinstance(incoming, IncomingEvent):
            answer, reasons = _answer_one(incoming, *_store(key, [incoming]))
        else:
            events = [outcome for outcome in incoming if isinstance(outcome, IncomingEvent)]
            answer, reasons = _answer_batch(incoming, _store(key, events))
    except KeyEnded:
        return _why_ended(request, slug)
    except TooManyAtOnce as refusal:
        detail = f"The space takes at most {refusal.most:,} events in one request. Send smaller batches."
        answer, reasons = problem(413, detail), (_REASONS[413],)
    except TooMany as refusal:
        answer, reasons = _wait(refusal), ("space_full" if isinstance(refusal, SpaceIsFull) else _REASONS[429],)
    except _Refused as rejection:
        answer, reasons = rejection.answer, (_REASONS[rejection.answer.status_code],)
    except InvalidInput as invalid:
        status = _status(invalid)
        detail = "The request was refused; nothing was stored."
        answer, reasons = problem(status, detail, errors=invalid.errors), (_REASONS[status],)
    except (CannotAccept, OperationalError, InterfaceError):
        return _unavailable()
    if reasons:
        _count(request, key.space, reasons)
    return answer


def _unavailable() -> HttpResponse:
    detail = "The database does not take events now; nothing was stored. Send the request again."
    return problem(503, detail, headers={"Retry-After": "5"})


def _count(request: HttpRequest, space: Space, refused: Sequence[str]) -> None:
    hop = hop_of_refused(request.META)
    for reason, number in Counter(refused).items():
        refusals.count(space.pk, space.slug, reason, number, hop)


def _store(key: ApiKey, events: Sequence[IncomingEvent]) -> list[Acceptance]:
    admit_events(key.space, len(events))
    return accept_events(key.space_id, events, key_id=key.pk)


def _with_origin(request: HttpRequest, incoming: IncomingEvent | list[Outcome]) -> IncomingEvent | list[Outcome]:
    origin = origin_in_headers(request.META)
    if isinstance(incoming, IncomingEvent):
        return with_origin(incoming, origin)
    return [event if isinstance(event, InvalidInput) else with_origin(event, origin) for event in incoming]


def _wait(refusal: TooMany) -> HttpResponse:
    what = "The space holds as many events as it may" if isinstance(refusal, SpaceIsFull) else "This is too fast"
    detail = f"{what}; nothing was stored. Send the request again in {refusal.wait} s."
    return problem(429, detail, headers={"Retry-After": str(refusal.wait)})


def _why_ended(request: HttpRequest, slug: str) -> HttpResponse:
    """Return the refusal of a key that ended while its request was on the way."""
    keys.forget(_token_of(request))
    try:
        _open_space(request, slug)
    except _Refused as refused:
        return refused.answer
    return problem(401, _NO_KEY, headers=_CHALLENGE)


def _token_of(request: HttpRequest) -> str:
    """Return the bearer token; raise InvalidKey where there is none."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower().encode("ascii", "replace") not in SCHEMES:
        raise InvalidKey
    return str(token.strip())


def _open_space(request: HttpRequest, slug: str) -> ApiKey:
    """Return the key of the request, with its space, which must have that slug and be open to it."""
    try:
        token = _token_of(request)
        key = keys.authenticate(token)
        if key.space.archived_at is not None:
            keys.forget(token)  # it may have been woken since
            key = keys.authenticate(token)
    except InvalidKey:
        raise _Refused(401, _NO_KEY, headers=_CHALLENGE) from None
    space = key.space
    if space.slug != slug:
        raise _Refused(404, NOT_FOUND)
    if Ability.INGEST not in ABILITIES[Role(key.role)]:
        raise _Refused(403, f'This key has the role "{key.role}", which sends no events.')
    if space.archived_at is not None:
        raise _Refused(409, f'The space "{space.slug}" is archived and takes no events.')
    return key


def _read_events(request: HttpRequest, space: Space) -> IncomingEvent | list[Outcome]:
    """Return the one event of the request, or what each part of a batch is; raise _Refused or InvalidInput."""
    request_id = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if request_id is not None and not KEY_FORM.fullmatch(request_id):
        raise _Refused(400, InvalidIdempotencyKey.default_detail)
    media_type = request.content_type or ""
    by_headers = not media_type.startswith("application/cloudevents") and binary_mode.has_attributes(request.META)
    if not by_headers and media_type not in {_JSON, _EVENT, _BATCH, *_LINES}:
        raise _Refused(415, f"Content-Type {media_type or 'is missing'}: send {_TAKEN}.")
    _check_encodings(request, has_characters=not by_headers or binary_mode.has_characters(media_type))
    body = _read_body(request, shows_its_end=not by_headers and media_type not in _LINES)
    if by_headers:
        content_type = request.META.get("CONTENT_TYPE", "")
        return EventReader().read_envelope(binary_mode.read_envelope(request.META, content_type, media_type, body))
    if not body.strip():
        raise _Refused(400, f"The body is empty. Send an event as {_TAKEN}.")
    if media_type == _EVENT:
        return EventReader().read_one(body)
    if media_type == _BATCH:
        return EventReader().read_array(body)
    plain = _plain_envelope(request.META.get("QUERY_STRING", ""), space)
    if media_type == _JSON and not body.lstrip().startswith(b"["):
        return EventReader(plain, request_id=request_id or "").read_one(body)
    if plain.id:
        raise reject("/id", "The query parameter id names one event; leave it out, and send a batch as CloudEvents.")
    reader = EventReader(plain, request_id=request_id or "")
    return reader.read_array(body) if media_type == _JSON else reader.read_lines(body)


def _check_encodings(request: HttpRequest, has_characters: bool) -> None:
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "identity")
    if encoding.lower() != "identity":
        detail = f"Content-Encoding {encoding}: send the body as it is."
        raise _Refused(415, detail, headers={"Accept-Encoding": "identity"})
    charset = (request.content_params or {}).get("charset", "utf-8")
    if has_characters and charset.lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise _Refused(415, f"Charset {charset}: send UTF-8.")


def _read_body(request: HttpRequest, *, shows_its_end: bool) -> bytes:
    """Return the body; of one that is longer than settings.MAX_BODY_BYTES, no more is read than shows that.

    Without a Content-Length only a body that ``shows_its_end`` is taken, a JSON document: the server hands over what
    came of a broken chunked body as if it were all, and half a batch would pass for a whole one.
    """
    length, longest = request.META.get("CONTENT_LENGTH"), settings.MAX_BODY_BYTES
    if length:
        # What is no number is none to Django either, which reads no body then. 19 digits of a number are enough.
        expected = int(length[:19]) if length.isdecimal() else 0
        body = b"" if expected > longest else _read(request, expected)
        if len(body) < expected <= longest:
            raise _Refused(400, f"The body ended {expected - len(body):,} bytes early.")
    elif request.META.get("wsgi.input_terminated"):
        if not shows_its_end and "HTTP_TRANSFER_ENCODING" in request.META:
            raise _Refused(411, "Send a Content-Length: without one, a body of this type that breaks off looks whole.")
        body = _read(request.META["wsgi.input"], longest + 1)
        expected = len(body)
    else:
        return b""
    if expected > longest:
        raise _Refused(413, f"A body may have {longest:,} bytes.")
    return body


def _read(stream: HttpRequest | IO[bytes], most: int) -> bytes:
    pieces = []
    try:
        while most and (piece := stream.read(most)):
            pieces.append(piece)
            most -= len(piece)
    except OSError:
        raise _Refused(400, "The body did not arrive.") from None
    return b"".join(pieces)


def _plain_envelope(query_string: str, space: Space) -> PlainEnvelope:
    """Return the attributes of events that are no CloudEvents: the query's, else the space's own."""
    if not query_string:
        return PlainEnvelope(space.default_event_type, space.event_source)
    try:
        characters = query_string.encode("latin-1").decode()  # WSGI's way to hand over bytes
        query = parse_qs(characters, keep_blank_values=True, max_num_fields=10, errors="strict")
    except ValueError:
        raise _Refused(400, "The query string cannot be read; use type, source, subject and id, once each.") from None
    given = {}
    for name, values in query.items():
        if name not in {"type", "source", "subject", "id"} or len(values) > 1:
            raise _Refused(400, f"Query parameter {name}: use type, source, subject and id, once each.")
        given[name] = check_text(name, values[0])
    return PlainEnvelope(**{"type": space.default_event_type, "source": space.event_source} | given)


def _answer_one(event: IncomingEvent, acceptance: Acceptance) -> Answer:
    if acceptance.status == "conflict":
        return problem(409, _conflict(event, acceptance), id=acceptance.id, event_id=event.event_id), (_REASONS[409],)
    return _json(202 if acceptance.status == "accepted" else 200, _shown(event, acceptance)), ()


def _answer_batch(outcomes: Sequence[Outcome], acceptances: Sequence[Acceptance]) -> Answer:
    """Return what became of each: 202, or 400 if none of them is stored now or was before."""
    if not outcomes:
        return problem(400, "There is no event in the body."), (_REASONS[400],)
    waiting = iter(acceptances)
    shown: list[dict[str, Any]] = []
    errors: list[RefusedEvent] = []
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, InvalidInput):
            errors += (RefusedEvent(e.pointer, e.detail, index, _status(outcome)) for e in outcome.errors)
        elif (acceptance := next(waiting)).status == "conflict":
            errors.append(RefusedEvent("", _conflict(outcome, acceptance), index, 409))
        else:
            shown.append(_shown(outcome, acceptance))
    refused = [_REASONS[status] for _, status in {(error.index, error.status) for error in errors}]
    if not shown:
        return problem(400, f"None of the {len(outcomes):,} events can be accepted.", errors=errors), refused
    accepted = sum(entry["status"] == "accepted" for entry in shown)
    counts = {"accepted": accepted, "duplicates": len(shown) - accepted, "refused": len(outcomes) - len(shown)}
    return _json(202, {**counts, "events": shown, "errors": errors}), refused


def _shown(event: IncomingEvent, acceptance: Acceptance) -> dict[str, Any]:
    return {
        "id": acceptance.id,
        "event_id": event.event_id,
        "source": event.source,
        "status": acceptance.status,
    }


def _conflict(event: IncomingEvent, acceptance: Acceptance) -> str:
    return f"Event {acceptance.id} has this source and id already, and another body. Give a new event a new id."


def _status(invalid: InvalidInput) -> int:
    return 413 if isinstance(invalid, TooLarge) else 400


def _json(status: int, content: Any) -> HttpResponse:
    return HttpResponse(orjson.dumps(content), status=status, content_type=_JSON)
