"""Error answers of the HTTP API: RFC 9457 ``application/problem+json``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse

from spaces.errors import FieldError

CONTENT_TYPE = "application/problem+json"


def problem(
    status: int,
    detail: str,
    *,
    title: str | None = None,
    errors: Sequence[FieldError] = (),
    type: str = "about:blank",  # noqa: A002  the member's name in RFC 9457
    headers: Mapping[str, str] | None = None,
    **extensions: Any,
) -> HttpResponse:
    """Return a problem answer: type, title (the status's own phrase by default), status, detail.

    ``errors`` becomes the list ``errors`` of {pointer, detail, and what a subclass adds}, left out when empty;
    ``extensions`` are further members, JSON values.
    """
    body: dict[str, Any] = {
        "type": type,
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = [asdict(error) for error in errors]
    body.update(extensions)
    # ASCII only: a detail may quote bad input, down to a lone surrogate that UTF-8 cannot carry.
    content = json.dumps(body, cls=DjangoJSONEncoder, separators=(",", ":"))
    return HttpResponse(content, status=status, content_type=CONTENT_TYPE, headers=headers)
