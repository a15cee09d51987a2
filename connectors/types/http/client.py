"""What is worked out once for a connection: address, headers, terms. Then a request takes microseconds."""

import re
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import quote

import orjson

from connectors.net.exchange import Failure, Request
from connectors.net.headers import check_name, check_value
from connectors.net.policy import BlockedTarget, NetworkPolicy, policy_for
from connectors.net.terms import Overrides, Proxy, Terms
from connectors.net.urls import BadUrl
from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.conversations import BadMessage
from connectors.types.http.batches import batch_id, join_bodies
from connectors.types.http.credentials import HttpSecrets
from connectors.types.http.schemas import HttpConfig, HttpParams, content_type_of
from connectors.types.http.signing import sign
from connectors.types.http_fields import JSON_TYPE
from connectors.types.masking import Masker
from connectors.types.oauth2 import Grant, TokenSource
from connectors.types.tls_fields import tls_overrides
from connectors.version import VERSION

HttpConnection = Connection[HttpConfig, HttpSecrets]

# The hop of an event that the message leads to: an installation that takes it in counts on, which ends loops.
HOP_HEADER: Final = "switchyard-hop"
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DOT_SEGMENT: Final = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_PATH_SAFE: Final = "/%:@!$&'()*+,;=~"
_QUERY_SAFE: Final = "/%:@!$'()*,;~?"
_KEYS_KEPT: Final = 60.0  # seconds after which signing keys are looked at again: a former one may have ended


class Client:
    """Builds the requests of one connection. ``refusal`` says why none can be sent, if so.

    ``tokens`` is where an access token comes from, for connections that need one.
    """

    def __init__(self, connection: HttpConnection, policy: NetworkPolicy) -> None:
        config = connection.config
        self.connection = connection
        self.policy = policy
        self.refusal: Failure | None = None
        self.overrides = overrides_of(connection)
        self.terms = Terms()
        self._limit = 0.0  # seconds that the installation allows one request
        self._base = self._query = ""
        try:
            self._base, _, self._query = policy.check_url(config.url).partition("?")
            self.terms = policy_for(config.url, self.overrides)
            self._limit = policy_for(config.url).timeout
        except BadUrl as error:
            self.refusal = Failure(Reason.BAD_CONFIG, str(error))
        except BlockedTarget as error:
            self.refusal = Failure(Reason.BLOCKED_TARGET, str(error))
        self.tokens = TokenSource(connection, _grant(connection), self.overrides) if config.auth == "oauth2" else None
        credentials = _authorization(connection)
        self._guarded = credentials.keys() | ({"authorization"} if config.auth == "oauth2" else set())
        self._headers = {"user-agent": f"Switchyard/{VERSION}", "content-type": JSON_TYPE}
        self._headers |= {name.lower(): value for name, value in config.headers.items()}
        self._headers |= credentials
        self._headers[HOP_HEADER] = "1"
        self._keys: list[bytes] = []
        self._keys_until = 0.0
        self._masker = Masker(_secrets(connection))

    @property
    def masker(self) -> Masker:
        """What takes the connection's secrets out of texts, its access token among them."""
        return self._masker if self.tokens is None else self.tokens.masker

    def request(self, message: Message[HttpParams]) -> Request:
        """Return the request for a message; raise BadMessage, or NoToken when no access token can be had."""
        return self._request(message, message.webhook_id, _write_body(message.params.body))

    def batch_request(self, messages: Sequence[Message[HttpParams]]) -> Request:
        """Return one request for messages that differ in their bodies only; raise BadMessage or NoToken."""
        first = messages[0]
        ids = [message.webhook_id for message in messages]
        bodies = [_write_body(message.params.body) or b"" for message in messages]
        content_type = content_type_of(first.params.headers) or content_type_of(self.connection.config.headers)
        request = self._request(first, batch_id(ids), join_bodies(bodies, content_type))
        return replace(request, headers={**request.headers, "webhook-ids": ",".join(ids)})

    def sends_no_body(self, params: HttpParams) -> bool:
        """Whether the request of such a message has no body."""
        return params.body is None or (params.method or self.connection.config.method) == "GET"

    def _request(self, message: Message[HttpParams], webhook_id: str, written: bytes | None) -> Request:
        params = message.params
        timestamp = str(int(time.time()))
        headers = {**self._headers, "webhook-id": webhook_id, "webhook-timestamp": timestamp}
        if message.hop:
            headers[HOP_HEADER] = str(message.hop + 1)
        if params.headers:
            self._add_headers(headers, params.headers)
        method = params.method or self.connection.config.method
        body = None if method == "GET" else written
        if body is None:
            del headers["content-type"]
        if self.connection.config.signed:
            headers["webhook-signature"] = sign(self._signing_keys(), webhook_id, timestamp, body)
        if self.tokens is not None:
            headers["authorization"] = self.tokens.header()
        terms = self.terms
        timeout = terms.timeout if message.timeout is None else min(message.timeout, self._limit)
        return Request(method, self._url(params), headers, body, timeout, terms.tls, terms.proxy, terms.max_body)

    def probe_request(self, timeout: float) -> Request:
        """Return a request that asks whether the system is there and says nothing to it; raise NoToken."""
        url = f"{self._base}?{self._query}" if self._query else self._base
        headers = {name: value for name, value in self._headers.items() if name not in ("content-type", HOP_HEADER)}
        if self.tokens is not None:
            headers["authorization"] = self.tokens.header()
        terms = self.terms
        chosen = self.connection.config.probe_method
        method = "HEAD" if chosen == "none" else chosen
        return Request(method, url, headers, None, min(timeout, terms.timeout), terms.tls, terms.proxy)

    def _add_headers(self, headers: dict[str, str], added: Mapping[str, str]) -> None:
        for name, value in added.items():
            lower = name.lower()
            if lower in self._guarded:
                raise BadMessage(f"The connector itself sets the header {lower}.")
            try:
                check_name(name)
                check_value(name, value)
            except ValueError as error:
                raise BadMessage(str(error)) from None
            headers[lower] = value

    def _signing_keys(self) -> list[bytes]:
        if (now := time.monotonic()) > self._keys_until:
            self._keys = self.connection.secrets.signing_keys(datetime.now(UTC))
            self._keys_until = now + _KEYS_KEPT
        return self._keys

    def _url(self, params: HttpParams) -> str:
        url = self._base
        if params.path:
            url = _join(url, params.path)
        pairs = [
            f"{_encode(name, _QUERY_SAFE)}={_encode(_text(value), _QUERY_SAFE)}" for name, value in params.query.items()
        ]
        if self._query:
            pairs.insert(0, self._query)
        return f"{url}?{'&'.join(pairs)}" if pairs else url


def _grant(connection: HttpConnection) -> Grant:
    config, secret = connection.config, connection.secrets.client_secret
    return Grant(
        config.token_url,
        config.client_id,
        secret.get_secret_value() if secret else "",
        config.scope,
        config.token_fields,
        config.client_auth,
    )


def overrides_of(connection: HttpConnection) -> Overrides:
    """Return what the connector says in place of the installation's terms."""
    config = connection.config
    return replace(tls_overrides(config, connection.secrets, config.timeout), proxy=_proxy(connection))


def _proxy(connection: HttpConnection) -> Proxy | Literal["direct"] | None:
    config, password = connection.config, connection.secrets.proxy_password
    if config.proxy_url == "direct":
        return "direct"
    if not config.proxy_url:
        return None
    return Proxy(config.proxy_url, config.proxy_username, password.get_secret_value() if password else "")


def _authorization(connection: HttpConnection) -> dict[str, str]:
    """Return the headers that are secret, names in lower case."""
    config, secrets = connection.config, connection.secrets
    found = {name.lower(): value for name, value in secrets.header_pairs()}
    if config.auth == "basic":
        found["authorization"] = f"Basic {b64encode(_credentials(connection).encode()).decode()}"
    elif config.auth == "bearer" and secrets.token:
        found["authorization"] = f"Bearer {secrets.token.get_secret_value()}"
    elif config.auth == "api_key" and secrets.api_key:
        found[config.api_key_header.lower()] = secrets.api_key.get_secret_value()
    return found


def _credentials(connection: HttpConnection) -> str:
    password = connection.secrets.password
    return f"{connection.config.username}:{password.get_secret_value() if password else ''}"


def _secrets(connection: HttpConnection) -> list[str]:
    secrets = connection.secrets.plaintexts()
    return [*secrets, _credentials(connection)] if connection.config.auth == "basic" else secrets


def _write_body(body: Any) -> bytes | None:
    if body is None:
        return None
    try:
        return body.encode() if isinstance(body, str) else orjson.dumps(body)
    except (UnicodeEncodeError, orjson.JSONEncodeError) as error:
        raise BadMessage(f"The body cannot be written: {error}.") from None


def _join(base: str, path: str) -> str:
    if "?" in path or "#" in path:
        raise BadMessage("The path has a ? or #. What follows a ? goes into the query.")
    if _DOT_SEGMENT.search(path):
        raise BadMessage("The path has a segment of dots, which would lead out of the connector's URL.")
    if "\\" in path:
        raise BadMessage("The path has a backslash.")
    return f"{base.removesuffix('/')}/{_encode(path.removeprefix('/'), _PATH_SAFE)}"


def _encode(text: str, safe: str) -> str:
    """Percent-encode what may not stand here. What is encoded already stays."""
    try:
        return quote(_STRAY_PERCENT.sub("%25", text), safe)
    except UnicodeEncodeError:
        raise BadMessage("The path or query has a character that cannot be encoded.") from None


def _text(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
