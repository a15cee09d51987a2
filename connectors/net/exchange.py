"""The vocabulary of HTTP: what is sent and what becomes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.net.terms import KEPT_BODY, Proxy
from connectors.net.tls import Tls
from connectors.outcomes import Reason

_NO_TLS_SETTINGS = Tls()


@dataclass(slots=True)
class Request:
    """One request. ``url`` is as NetworkPolicy.check_url returns it; ``timeout`` is for all of it, in seconds.

    Names and values of headers are sent as they stand: whoever takes them from outside has checked them. Of the
    answer's body, ``max_body`` bytes are read. ``tag`` is the caller's own.
    """

    method: str
    url: str = field(repr=False)  # it may be a secret
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    timeout: float = 15.0
    tls: Tls = _NO_TLS_SETTINGS
    proxy: Proxy | None = None
    max_body: int = KEPT_BODY
    tag: Any = None


@dataclass(slots=True)
class Response:
    """An answer. ``headers`` have names in lower case, the first of a name only; ``body`` may be cut."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    is_cut: bool
    duration: float


@dataclass(slots=True)
class Failure:
    """No answer, and why. ``detail`` is a line for a person; ``duration`` is in seconds."""

    reason: Reason
    detail: str
    duration: float = 0.0


Result = Response | Failure


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server's certificate says; ``expires`` is in UTC."""

    issuer: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class Trace:
    """How far an exchange came: seconds from its start, None for what was not reached or not needed."""

    connected: float | None
    secured: float | None
    answered: float | None
    certificate: Certificate | None
