"""What can become of one try to deliver one message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

MAX_ANSWER: Final = 64 * 1024  # bytes of an answer, as JSON


class Reason(StrEnum):
    """The closed set of reasons; each attempt, dead letter and metric carries exactly one."""

    OK = "ok"
    RETRY_HTTP_5XX = "retry_http_5xx"
    RETRY_429 = "retry_429"
    RETRY_TIMEOUT = "retry_timeout"
    RETRY_CONNECT = "retry_connect"
    RETRY_DNS = "retry_dns"
    RETRY_TLS = "retry_tls"
    PERMANENT_4XX = "permanent_4xx"
    PERMANENT_410 = "permanent_410"
    BLOCKED_TARGET = "blocked_target"
    BAD_CONFIG = "bad_config"
    MISSING_SECRETS = "missing_secrets"
    TEMPLATE_ERROR = "template_error"
    TOO_LARGE = "too_large"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    LOST_LEASE = "lost_lease"
    POISON = "poison"
    LOOP = "loop"

    @property
    def is_ok(self) -> bool:
        return self is Reason.OK

    @property
    def is_retry(self) -> bool:
        """Whether another try may succeed without anybody changing anything."""
        return self.value.startswith("retry_") or self is Reason.LOST_LEASE


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one try.

    ``key`` is the message's key. ``detail`` is one line for a person, free of secrets. ``retry_after`` is in
    seconds, as the receiver asked. ``request`` and ``response`` are JSON-safe summaries for the event log, secrets
    masked and the response body cut at 16 KiB. ``duration`` is in seconds. ``answer`` is what the system said, where
    the message asks for it and was delivered: it becomes an event. It is JSON that every database takes, at most
    MAX_ANSWER bytes, secrets masked.
    """

    key: int
    reason: Reason
    detail: str = ""
    retry_after: float | None = None
    duration: float = 0.0
    request: dict[str, Any] = field(default_factory=dict)
    response: dict[str, Any] = field(default_factory=dict)
    answer: Mapping[str, Any] | None = None

    @property
    def status(self) -> int | None:
        """The number by which the system itself says what became of it, as HTTP's status; None where it has none."""
        status = self.response.get("status")
        return status if isinstance(status, int) else None
