"""A system behind one address: what is worked out once for a connection, so that a request takes microseconds."""

import time
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, Generic
from urllib.parse import quote, urlencode

import orjson

from connectors.net.exchange import Failure, Request, Response, Result
from connectors.net.headers import check_value
from connectors.net.http import send
from connectors.net.policy import BlockedTarget, NetworkPolicy, policy_for
from connectors.net.terms import Overrides, Terms
from connectors.net.urls import BadUrl
from connectors.outcomes import Outcome, Reason
from connectors.types.answers import outcome
from connectors.types.base import ConfigT, Connection, Message, SecretsT
from connectors.types.conversations import BadMessage
from connectors.types.http_fields import JSON_TYPE
from connectors.types.masking import Masker
from connectors.types.oauth2 import TokenSource
from connectors.version import VERSION

_MOST_SAID: Final = 300  # characters of what a system says of an error that go into a line for a person


class Site(Generic[ConfigT, SecretsT]):
    """Builds requests to one address and reads the answers. ``refusal`` says why none can be sent, if so.

    ``key`` names whose connections are kept alive. ``ask_until`` is the monotonic time at which a probe has to end.
    """

    def __init__(
        self,
        key: Hashable,
        connection: Connection[ConfigT, SecretsT],
        policy: NetworkPolicy,
        url: str,
        overrides: Overrides,
        headers: Mapping[str, str],
        derived_secrets: Iterable[str],
        tokens: TokenSource | None = None,
    ) -> None:
        """``tokens`` is where access tokens come from, and knows all secrets; None where no request needs one."""
        self.key = key
        self.connection = connection
        self.policy = policy
        self.base = url
        self.terms = Terms()
        self.refusal: Failure | None = None
        self.ask_until = 0.0
        self._limit = 0.0  # seconds that the installation allows one message
        self._headers = {"user-agent": f"Switchyard/{VERSION}", **headers}
        for name, value in self._headers.items():
            check_value(name, value)
        try:
            self.base = policy.check_url(url)
            self.terms = policy_for(self.base, overrides)
            self._limit = policy_for(self.base).timeout
        except BadUrl as error:
            self.refusal = Failure(Reason.BAD_CONFIG, str(error))
        except BlockedTarget as error:
            self.refusal = Failure(Reason.BLOCKED_TARGET, str(error))
        self.tokens = tokens
        self._masker = Masker([*connection.secrets.plaintexts(), *derived_secrets, *self._secret_addresses(url)])

    @property
    def masker(self) -> Masker:
        """What takes the connection's secrets out of texts, its access token among them."""
        return self._masker if self.tokens is None else self.tokens.masker

    @property
    def config(self) -> ConfigT:
        return self.connection.config

    @property
    def secrets(self) -> SecretsT:
        return self.connection.secrets

    def request(
        self,
        method: str,
        path: str = "",
        *,
        query: Mapping[str, str | int] | None = None,
        json: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        message: Message[Any] | None = None,
        max_body: int | None = None,
    ) -> Request:
        """Return a request to the base address and ``path``, whose parts from outside ``segment`` has encoded.

        ``json`` is written as the body; ``body`` is sent as it is. ``message`` may have a timeout of its own. Of the
        answer, ``max_body`` bytes are read, or as many as the installation says. Raises NoToken when an access token
        is needed and none can be had.
        """
        sent = dict(self._headers)
        if self.tokens is not None:
            sent["authorization"] = self.tokens.header()
        if json is not None:
            body = write_json(json)
            sent["content-type"] = JSON_TYPE
        if headers:
            for name, value in headers.items():
                try:
                    check_value(name, value)
                except ValueError as error:
                    raise BadMessage(str(error)) from None
            sent |= headers
        url = f"{self.base.removesuffix('/')}/{path.removeprefix('/')}" if path else self.base
        if query:
            url += ("&" if "?" in url else "?") + urlencode(query)
        terms = self.terms
        own = message.timeout if message else None
        timeout = terms.timeout if own is None else min(own, self._limit)
        return Request(method, url, sent, body, timeout, terms.tls, terms.proxy, max_body or terms.max_body)

    def outcome(
        self,
        message: Message[Any],
        request: Request,
        result: Result,
        reason: Reason | None = None,
        detail: str = "",
    ) -> Outcome:
        """Return the outcome of a message by its last exchange; by its status unless ``reason`` is given.

        ``detail`` is a line for a person and is masked here. Of an answer that was read further than others, no more
        is kept than of them.
        """
        if isinstance(result, Response) and len(result.body) > self.terms.max_body:
            result = replace(result, body=result.body[: self.terms.max_body], is_cut=True)
        return outcome(message.key, request, result, self.masker, reason=reason, detail=_one_line(detail))

    def renew(self, request: Request, result: Result) -> bool:
        """Give a request another access token; false when its own was not refused, or no other is to be had."""
        if self.tokens is None or not isinstance(result, Response) or result.status != HTTPStatus.UNAUTHORIZED:
            return False
        if not self.tokens.replaces(request.headers["authorization"]):
            return False
        request.headers = {**request.headers, "authorization": self.tokens.header()}
        return True

    def ask(self, request: Request) -> Result:
        """Send one more request of a probe and return what became of it, in what is left of the probe's time."""
        left = self.ask_until - time.monotonic()
        if left <= 0:
            return Failure(Reason.RETRY_TIMEOUT, "The time of the test has ended.")
        request.timeout = min(request.timeout, left)
        return send(request, key=self.key)

    def _secret_addresses(self, url: str) -> list[str]:
        """Return what tells the address, where it is itself a secret."""
        if url not in self.connection.secrets.plaintexts():
            return []
        _, _, rest = self.base.partition("://")
        _, _, path = rest.partition("/")
        return [self.base, *([path] if len(path) > _SHORTEST_PATH else [])]


_SHORTEST_PATH: Final = 8  # characters from which a path may be a secret


def segment(value: str) -> str:
    """Return text from outside as one segment of a path; raise BadMessage for what would be another path."""
    if value in ("", ".", ".."):
        raise BadMessage(f"{value!r} cannot stand in an address.")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise BadMessage("An address has a character that cannot be encoded.") from None


def write_json(value: Any) -> bytes:
    """Return JSON; raise BadMessage for what cannot be written."""
    try:
        return orjson.dumps(value)
    except (TypeError, UnicodeEncodeError) as error:
        raise BadMessage(f"The message cannot be written as JSON: {error}.") from None


def read_json(response: Response) -> Any:
    """Return the JSON of an answer; None when it is none, or was cut."""
    if response.is_cut:
        return None
    try:
        return orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return None


def read_object(response: Response) -> dict[str, Any]:
    """Return the JSON object of an answer; an empty one when it is none."""
    found = read_json(response)
    return found if isinstance(found, dict) else {}


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_SAID else f"{line[:_MOST_SAID]} …"
