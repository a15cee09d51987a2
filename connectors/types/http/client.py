"""What is worked out once for a connection: address, headers, TLS. Then a request takes microseconds."""

import re
import time
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import orjson

from connectors.net.exchange import Failure, Request
from connectors.net.policy import BadUrl, BlockedTarget, NetworkPolicy
from connectors.net.tls import Tls
from connectors.outcomes import Reason
from connectors.types.base import Connection, Message
from connectors.types.http.headers import check_name, check_value
from connectors.types.http.schemas import JSON_TYPE, HttpConfig, HttpParams, HttpSecrets
from connectors.types.masking import Masker
from connectors.version import VERSION

HttpConnection = Connection[HttpConfig, HttpSecrets]

_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DOT_SEGMENT: Final = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_PATH_SAFE: Final = "/%:@!$&'()*+,;=~"
_QUERY_SAFE: Final = "/%:@!$'()*,;~?"


class BadMessage(ValueError):
    """These params make no request."""


class Client:
    """Builds the requests of one connection. ``refusal`` says why none can be sent, if so."""

    def __init__(self, connection: HttpConnection, policy: NetworkPolicy) -> None:
        config = connection.config
        self.connection = connection
        self.policy = policy
        self.refusal: Failure | None = None
        self._base = self._query = ""
        try:
            self._base, _, self._query = policy.check_url(config.url).partition("?")
        except BadUrl as error:
            self.refusal = Failure(Reason.BAD_CONFIG, str(error))
        except BlockedTarget as error:
            self.refusal = Failure(Reason.BLOCKED_TARGET, str(error))
        self._headers = {"user-agent": f"Switchyard/{VERSION}", "content-type": JSON_TYPE}
        self._headers |= {name.lower(): value for name, value in config.headers.items()}
        self._headers |= _authorization(connection)
        self._timeout = min(config.timeout, policy.timeout)
        self._tls = _tls(connection)
        self.masker = Masker(_secrets(connection))

    def request(self, message: Message[HttpParams]) -> Request:
        """Return the request for a message; raise BadMessage."""
        params = message.params
        headers = {
            **self._headers,
            "webhook-id": message.webhook_id,
            "webhook-timestamp": str(int(time.time())),
        }
        if params.headers:
            self._add_headers(headers, params.headers)
        method = params.method or self.connection.config.method
        body = None if method == "GET" else _write_body(params.body)
        if body is None:
            del headers["content-type"]
        return Request(method, self._url(params), headers, body, self._timeout, self._tls, message.key)

    def probe_request(self, timeout: float) -> Request:
        """Return a request that asks whether the system is there and says nothing to it."""
        url = f"{self._base}?{self._query}" if self._query else self._base
        headers = {name: value for name, value in self._headers.items() if name != "content-type"}
        return Request("HEAD", url, headers, None, min(timeout, self._timeout), self._tls)

    def _add_headers(self, headers: dict[str, str], added: Mapping[str, str]) -> None:
        for name, value in added.items():
            lower = name.lower()
            if lower == "authorization" and self.connection.config.auth != "none":
                raise BadMessage("The connector's authentication sets the header authorization.")
            try:
                check_name(name)
                check_value(name, value)
            except ValueError as error:
                raise BadMessage(str(error)) from None
            headers[lower] = value

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


def _authorization(connection: HttpConnection) -> dict[str, str]:
    config = connection.config
    if config.auth == "basic":
        return {"authorization": f"Basic {b64encode(_credentials(connection).encode()).decode()}"}
    if config.auth == "bearer" and connection.secrets.token:
        return {"authorization": f"Bearer {connection.secrets.token.get_secret_value()}"}
    return {}


def _credentials(connection: HttpConnection) -> str:
    password = connection.secrets.password
    return f"{connection.config.username}:{password.get_secret_value() if password else ''}"


def _secrets(connection: HttpConnection) -> list[str]:
    secrets = connection.secrets.plaintexts()
    return [*secrets, _credentials(connection)] if connection.config.auth == "basic" else secrets


def _tls(connection: HttpConnection) -> Tls:
    config, key = connection.config, connection.secrets.client_key
    if not config.client_cert:
        return Tls(config.verify, config.ca)
    return Tls(config.verify, config.ca, config.client_cert, key.get_secret_value() if key else "")


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
