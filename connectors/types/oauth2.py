"""Access tokens, fetched before they are needed and shared.

By client credentials (RFC 6749, section 4.4), a password (section 4.3) or a JWT (RFC 7523, section 2.1).
"""

import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isnan
from typing import Any, Final, Literal
from urllib.parse import quote_plus, urlencode

from pydantic import SecretStr

from connectors.net.exchange import Failure, Request, Response
from connectors.net.http import send
from connectors.net.policy import BlockedTarget, NetworkPolicy, policy_for
from connectors.net.terms import Overrides
from connectors.net.urls import BadUrl
from connectors.outcomes import Reason
from connectors.tokens import Token, drop_token, keep_token, load_token
from connectors.types.base import AnyConnection
from connectors.types.masking import Masker
from connectors.version import VERSION

EARLY: Final = 60.0  # seconds before its end in which a token is no longer used, or a fifth of its life if that is less
FRESH: Final = timedelta(seconds=10)  # one that was refused this soon is not to blame
_PAUSE: Final = 2.0  # seconds after a failure in which the endpoint is not asked again
_UNSAID: Final = 300.0  # seconds that a token lasts when the endpoint does not say
_LONGEST: Final = 30 * 24 * 3600
_TIMEOUT: Final = 10.0
_MOST_SAID: Final = 300  # characters of what the endpoint says of an error
_OF_EVERY_GRANT: Final = frozenset({"grant_type", "scope", "client_id", "client_secret"})
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Grant:
    """What is asked of a token endpoint, and as whom. ``fields`` are further ones of the form.

    With a ``username``, or with what ``assertion`` returns (a JWT, RFC 7523), the client acts for that user.
    """

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    client_auth: Literal["header", "body"] = "header"
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    assertion: Callable[[], str] | None = field(default=None, repr=False)


def check_token_fields(fields: Mapping[str, str]) -> None:
    """Raise ValueError, for a person, unless a form may have these fields beside those of every grant."""
    if taken := fields.keys() & _OF_EVERY_GRANT:
        raise ValueError(f"{min(taken)} is set by Switchyard or has a field of its own.")


class NoToken(Exception):
    """The token endpoint gave no token: ``failure`` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class _Held:
    token: Token
    since: datetime


class TokenSource:
    """The tokens of one connection. May be used by several threads."""

    def __init__(
        self, connection: AnyConnection, grant: Grant, overrides: Overrides, derived_secrets: Iterable[str] = ()
    ) -> None:
        """``overrides`` are what the connector says of the terms on which the endpoint is asked.

        ``derived_secrets`` are masked beside those of the connection.
        """
        self._connection = connection
        self._grant = grant
        self._overrides = overrides
        self._held: _Held | None = None
        self._failure: Failure | None = None
        self._silent_until = float("-inf")
        self._lock = threading.Lock()
        self._own = [*connection.secrets.plaintexts(), _credentials(grant), *derived_secrets]
        self.masker = Masker(self._own)

    def header(self) -> str:
        """Return the value of the header ``authorization``; raise NoToken."""
        return _header(self.token())

    def token(self) -> Token:
        """Return a token that lasts for a while; raise NoToken.

        After a failure the endpoint is left alone for two seconds: hundreds of messages may wait, and each would ask.
        """
        with self._lock:
            if self._held is None or not _lasts(self._held.token):
                if self._failure is not None and time.monotonic() < self._silent_until:
                    raise NoToken(self._failure)
                self._held = self._shared(other_than=None) or self._try_to_fetch()
            return self._held.token

    def replaces(self, header: str) -> bool:
        """Whether a request that was refused with this header may be sent again, with another token.

        Not when the token is fresh: then something else is wrong, and asking again would not help.
        """
        with self._lock:
            if self._held is None or _header(self._held.token) != header:
                return True
            if datetime.now(UTC) - self._held.since < FRESH:
                return False
            self._held = self._shared(other_than=header)
            if self._held is None and self._connection.id is not None:
                drop_token(self._connection.id, self._connection.version)
            return True

    def lasts(self) -> int:
        """Return how many seconds the token in use lasts."""
        return 0 if self._held is None else int((self._held.token.expires_at - datetime.now(UTC)).total_seconds())

    def _shared(self, other_than: str | None) -> _Held | None:
        """Return the token that another process keeps, if it is good for a while."""
        if self._connection.id is None:
            return None
        token = load_token(self._connection.id, self._connection.version)
        if token is None or not _lasts(token) or _header(token) == other_than:
            return None
        self.masker = Masker([*self._own, token.text.get_secret_value()])
        return _Held(token, datetime.now(UTC) - FRESH)

    def _try_to_fetch(self) -> _Held:
        try:
            return self._fetch()
        except NoToken as error:
            self._failure, self._silent_until = error.failure, time.monotonic() + _PAUSE
            raise

    def _fetch(self) -> _Held:
        result = send(self._request(), key=("token", self._connection.id, self._connection.version))
        if isinstance(result, Failure):
            detail = f"The token endpoint: {self.masker.mask(result.detail)}"
            raise NoToken(Failure(result.reason, detail, result.duration))
        token = _read(result, self.masker)
        self.masker = Masker([*self._own, token.text.get_secret_value()])
        if self._connection.id is not None:
            keep_token(self._connection.id, self._connection.version, token)
        return _Held(token, datetime.now(UTC))

    def _request(self) -> Request:
        grant = self._grant
        try:
            url = NetworkPolicy.current().check_url(grant.token_url)
            terms = policy_for(grant.token_url, self._overrides)
        except BadUrl as error:
            raise NoToken(Failure(Reason.BAD_CONFIG, f"The token endpoint: {error}")) from None
        except BlockedTarget as error:
            raise NoToken(Failure(Reason.BLOCKED_TARGET, f"The token endpoint: {error}")) from None
        form = {**_asked(grant), **grant.fields}
        if grant.scope:
            form["scope"] = grant.scope
        headers = {"user-agent": f"Switchyard/{VERSION}", "content-type": _FORM, "accept": "application/json"}
        if grant.client_auth == "header":
            headers["authorization"] = f"Basic {b64encode(_credentials(grant).encode()).decode()}"
        else:
            form |= {"client_id": grant.client_id, "client_secret": grant.client_secret}
        return Request(
            "POST",
            url,
            headers,
            urlencode(form).encode(),
            min(_TIMEOUT, terms.timeout),
            terms.tls,
            terms.proxy,
        )


def _asked(grant: Grant) -> dict[str, str]:
    if grant.assertion:
        return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": grant.assertion()}
    if grant.username:
        return {"grant_type": "password", "username": grant.username, "password": grant.password}
    return {"grant_type": "client_credentials"}


def _credentials(grant: Grant) -> str:
    # Both are encoded as in a form first: RFC 6749, section 2.3.1.
    return f"{quote_plus(grant.client_id)}:{quote_plus(grant.client_secret)}"


def _read(response: Response, masker: Masker) -> Token:
    """Return the token in an answer of the endpoint (RFC 6749, sections 5.1 and 5.2); raise NoToken."""
    fields = _fields(response)
    text = fields.get("access_token")
    if response.status == 200 and _is_token(text) and str(fields.get("token_type", "Bearer")).lower() == "bearer":
        return Token(SecretStr(str(text)), datetime.now(UTC) + timedelta(seconds=_usable(fields.get("expires_in"))))
    said = " ".join(str(fields[name]) for name in ("error", "error_description") if fields.get(name))
    what = f"HTTP {response.status}" if response.status != 200 else "no bearer token in the answer"
    detail = f"The token endpoint gave no token: {what}{': ' if said else ''}{masker.mask(said[:_MOST_SAID])}."
    passes = response.status == 429 or response.status >= 500
    reason = Reason.RETRY_HTTP_5XX if passes else Reason.BAD_CONFIG
    raise NoToken(Failure(reason, detail.replace("\0", ""), response.duration))


def _fields(response: Response) -> dict[str, Any]:
    try:
        found = json.loads(response.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_token(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= 8000 and text.isascii() and text.isprintable() and " " not in text


def _usable(said: object) -> float:
    """Return for how many seconds a token is used that lasts as long as the endpoint says."""
    try:
        lifetime = float(str(said))
    except ValueError:
        lifetime = _UNSAID
    if isnan(lifetime):
        lifetime = _UNSAID
    lifetime = min(max(lifetime, 0.0), _LONGEST)
    return lifetime - min(EARLY, lifetime / 5)


def _lasts(token: Token) -> bool:
    return token.expires_at > datetime.now(UTC)


def _header(token: Token) -> str:
    return f"Bearer {token.text.get_secret_value()}"
