"""A system behind one address: what is worked out once for a connection, so that a request takes microseconds."""

import time
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Generic
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

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
    ) -> None:
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
        self.masker = Masker([*connection.secrets.plaintexts(), *derived_secrets, *self._secret_addresses(url)])

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
        answer, ``max_body`` bytes are read, or as many as the installation says.
        """
        sent = dict(self._headers)
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

    def host_request(self) -> Request:
        """Return a question to the host alone: it says nothing, and leaves out the path, which may be a secret."""
        request = self.request("HEAD")
        parts = urlsplit(self.base)
        request.url = f"{parts.scheme}://{parts.netloc}/"
        return request

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

    def ask(self, request: Request) -> Result:
        """Send one more request of a probe and return what became of it, in what is left of the probe's time."""
        left = self.ask_until - time.monotonic()
        if left <= 0:
            return Failure(Reason.RETRY_TIMEOUT, "The time of the test has ended.")
        request.timeout = min(request.timeout, left)
        return send(request, key=self.key)

    def _secret_addresses(self, url: str) -> list[str]:
        """Return what tells the address, where it is itself a secret: all of it, its path, and the keys in it."""
        if url not in self.connection.secrets.plaintexts():
            return []
        parts = urlsplit(self.base)
        path = self.base.partition("://")[2].partition("/")[2]
        pieces = [*map(unquote, parts.path.split("/")), *(value for _, value in parse_qsl(parts.query))]
        keys = [piece for piece in pieces if len(piece) > _SHORTEST_KEY and any(map(str.isdigit, piece))]
        return [self.base, *([path] if len(path) > _SHORTEST_KEY else []), *keys]


_SHORTEST_KEY: Final = 8  # characters above which a piece of an address may be a secret


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
