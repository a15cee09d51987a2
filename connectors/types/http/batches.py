"""Several messages in one request, for receivers that take arrays or lines of JSON."""

from collections.abc import Hashable, Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import Final

import orjson

from connectors.types.base import Message, is_template
from connectors.types.conversations import BadMessage
from connectors.types.http.schemas import HttpConfig, HttpParams, content_type_of, is_ndjson
from connectors.types.http_fields import is_json
from spaces.errors import FieldError

# Where one message of a batch may be to blame for the whole: then each is sent by itself.
BLAMES_ONE: Final = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
)


def batch_errors(config: HttpConfig, params: HttpParams) -> list[FieldError]:
    """Return why no batch can be made of such messages, as far as it shows before templates are rendered."""
    if params.batch_size == 1:
        return []
    if (params.method or config.method) == "GET":
        return [FieldError("/batch_size", "GET sends no body, and so no batch. Set it to 1, or take another method.")]
    content_type = content_type_of(params.headers) or content_type_of(config.headers)
    if not (is_template(content_type) or is_json(content_type) or is_ndjson(content_type)):
        return [FieldError("/batch_size", _unbatched(content_type))]
    if params.body is None:
        return [FieldError("/batch_size", "Without a body there is no batch. Set it to 1.")]
    if isinstance(params.body, str) and not is_template(params.body):
        try:
            check_json(params.body.encode())
        except BadMessage as error:
            return [FieldError("/body", str(error))]
    return []


def _unbatched(content_type: str) -> str:
    return f"A batch is sent as JSON or NDJSON, not as {content_type}. Set the batch size to 1."


def batch_key(message: Message[HttpParams]) -> Hashable:
    """Return what messages have in common that may go in one request."""
    params = message.params
    return (
        params.path,
        params.method,
        tuple(params.query.items()),
        tuple(params.headers.items()),
        message.timeout,
        message.hop,
    )


def batch_id(webhook_ids: Sequence[str]) -> str:
    """Return the id of a batch: the same for the same messages in the same order."""
    return f"batch_{sha256(chr(10).join(webhook_ids).encode()).hexdigest()[:32]}"


def join_bodies(bodies: Sequence[bytes], content_type: str) -> bytes:
    """Return the body of a batch: an array, or lines for NDJSON. Raise BadMessage for other content types."""
    if is_ndjson(content_type):
        return b"".join(body.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n" for body in bodies)
    if not is_json(content_type):
        raise BadMessage(_unbatched(content_type))
    return b"[" + b",".join(bodies) + b"]"


def check_json(body: bytes) -> None:
    """Raise BadMessage unless this may stand in a batch."""
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadMessage(f"The body is not JSON, which a batch is made of: {error}.") from None
