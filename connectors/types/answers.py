"""What an answer, or none, means for a delivery."""

from codecs import getincrementaldecoder
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from connectors.net.exchange import Failure, Request, Response, Result
from connectors.outcomes import Outcome, Reason
from connectors.types.masking import Masker

MAX_RETRY_AFTER: Final = 24 * 3600.0
_MAX_HEADER: Final = 1024
# Of the answer's headers, those that help to find out what happened. Cookies and the like stay out of the log.
_KEPT_HEADERS: Final = (
    "content-type",
    "location",
    "retry-after",
    "server",
    "www-authenticate",
    "x-request-id",
    "x-correlation-id",
)
# What may happen to a message over HTTP, for the reference.
RESULTS: Final[Mapping[str, Reason]] = {
    "an answer 2xx": Reason.OK,
    "an answer 5xx, 409 or 425": Reason.RETRY_HTTP_5XX,
    "an answer 429": Reason.RETRY_429,
    "no whole answer in time, or 408": Reason.RETRY_TIMEOUT,
    "no connection, a broken one, an answer that is no HTTP, or a proxy's 407": Reason.RETRY_CONNECT,
    "a host without addresses": Reason.RETRY_DNS,
    "a certificate that is not trusted, or no TLS": Reason.RETRY_TLS,
    "an answer 410": Reason.PERMANENT_410,
    "any other answer 4xx": Reason.PERMANENT_4XX,
    "an answer 3xx: redirects are not followed": Reason.BAD_CONFIG,
    "a target that the installation does not allow": Reason.BLOCKED_TARGET,
    "a template that yields what cannot be sent": Reason.TEMPLATE_ERROR,
}
_SPECIAL: Final[dict[int, Reason]] = {
    # Only a proxy says so: no fault of the message.
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: Reason.RETRY_CONNECT,
    HTTPStatus.REQUEST_TIMEOUT: Reason.RETRY_TIMEOUT,
    HTTPStatus.CONFLICT: Reason.RETRY_HTTP_5XX,
    HTTPStatus.TOO_EARLY: Reason.RETRY_HTTP_5XX,
    HTTPStatus.TOO_MANY_REQUESTS: Reason.RETRY_429,
    HTTPStatus.GONE: Reason.PERMANENT_410,
}
_decoder = getincrementaldecoder("utf-8")


def outcome(
    key: int, request: Request, result: Result, masker: Masker, *, reason: Reason | None = None, detail: str = ""
) -> Outcome:
    """Return the outcome of one exchange, fit for the event log: masked and JSON-safe.

    ``key`` is the message's. ``reason`` and ``detail`` are for systems whose answers say more than their status;
    ``detail`` is masked here.
    """
    summary = {
        "method": request.method,
        "url": masker.mask(request.url),
        "bytes": len(request.body) if request.body else 0,
    }
    if isinstance(result, Failure):
        said = clean(result.detail, masker)
        return Outcome(key, result.reason, said, duration=result.duration, request=summary)
    reason = reason or reason_for(result.status)
    wait = result.headers.get("retry-after")
    return Outcome(
        key,
        reason,
        clean(detail, masker) or _explain(result, masker),
        parse_retry_after(wait) if wait and not reason.is_ok else None,
        result.duration,
        summary,
        _summarise(result, masker),
    )


@cache
def reason_for(status: int) -> Reason:
    """Return what a status means. One that HTTP does not know counts as a 5xx (RFC 9110, section 15)."""
    if 200 <= status < 300:
        return Reason.OK
    if 300 <= status < 400:
        return Reason.BAD_CONFIG
    if 400 <= status < 500:
        return _SPECIAL.get(status, Reason.PERMANENT_4XX)
    return Reason.RETRY_HTTP_5XX


def parse_retry_after(value: str) -> float | None:
    """Return the seconds that a Retry-After header asks for, from 0 to a day; None when it cannot be read."""
    value = value.strip()[:_MAX_HEADER]
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(value)
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def wait_of(seconds: object) -> float | None:
    """Return the seconds that the body of an answer asks to wait, from 0 to a day; None when it says none."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        return None
    return min(float(seconds), MAX_RETRY_AFTER)


def clean(text: str, masker: Masker, *, is_cut: bool = False) -> str:
    """Return text from outside, masked and fit for PostgreSQL's jsonb.

    NULs go first: a secret in UTF-16 shows only once they are gone.
    """
    return masker.mask(text.replace("\0", ""), is_cut=is_cut)


def _explain(response: Response, masker: Masker) -> str:
    if not 300 <= response.status < 400:
        return _status_line(response.status)
    location = clean(response.headers.get("location", "")[:_MAX_HEADER], masker)
    where = f", it points to {location}" if location else ""
    return f"{_status_line(response.status)}: redirects are not followed{where}."


@cache
def _status_line(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _summarise(response: Response, masker: Masker) -> dict[str, Any]:
    headers = {
        name: clean(response.headers[name][:_MAX_HEADER], masker) for name in _KEPT_HEADERS if name in response.headers
    }
    body = ""
    if response.is_cut:
        # The cut may have split a character.
        body = clean(_decoder("replace").decode(response.body), masker, is_cut=True)
    elif response.body:
        body = clean(response.body.decode("utf-8", "replace"), masker)
    return {"status": response.status, "headers": headers, "body": body}
