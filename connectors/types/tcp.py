"""The base of connector types that speak a protocol of their own over TCP, with connections that are kept for a while.

A type says which protocol, how a message is sent and what the replies mean. Where it leads, on what terms, and which
connections stand idle is the same for all.
"""

import threading
import time
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final, Generic, Protocol, TypeVar

from pydantic import Field, field_validator

from connectors.net.dialling import find_addresses
from connectors.net.policy import BlockedTarget, NetworkPolicy
from connectors.net.streams import Stream, open_stream
from connectors.net.tls import Tls
from connectors.net.urls import BadUrl, Origin, parse_address, parse_host
from connectors.outcomes import Reason
from connectors.types.answers import clean
from connectors.types.base import Config, Connection, ConnectorType, Message, ParamsT
from connectors.types.http_fields import ADVANCED, DEFAULT_TIMEOUT
from connectors.types.masking import Masker
from connectors.types.tls_fields import TlsConfig, TlsSecrets, tls_overrides
from spaces.errors import FieldError

_MOST_ROUTES: Final = 256
_KEEP_IDLE: Final = 60.0  # seconds that a connection is kept without use; servers wait longer
_MOST_IDLE: Final = 8  # connections of one route

# What may happen to a message over any connection, for the reference.
RESULTS: Final[Mapping[str, Reason]] = {
    "no answer in time": Reason.RETRY_TIMEOUT,
    "no connection, a broken one, or an answer that is none of the protocol": Reason.RETRY_CONNECT,
    "a host without addresses": Reason.RETRY_DNS,
    "a certificate that is not trusted, or no TLS": Reason.RETRY_TLS,
    "a target that the installation does not allow": Reason.BLOCKED_TARGET,
    "a template that yields what cannot be sent": Reason.TEMPLATE_ERROR,
}


class _Place(Config):
    # First in a form, so that it comes before what is said of TLS.
    host: str = Field(
        title="Host",
        description="Name or address of the server.",
        min_length=1,
        max_length=253,
        examples=["server.example.com"],
    )
    port: int = Field(title="Port", description="TCP port.", ge=1, le=65535)
    timeout: float = Field(
        DEFAULT_TIMEOUT,
        title="Timeout",
        description="Seconds for a whole message, from connecting to the last reply.",
        ge=1,
        le=300,
        json_schema_extra=ADVANCED,
    )

    @field_validator("host")
    @classmethod
    def _is_host(cls, value: str) -> str:
        _read_host(value)
        return value


class TcpConfig(TlsConfig, _Place):
    """What every connector to a server over TCP has settings for."""


class Link(Protocol):
    """One connection of a protocol."""

    @property
    def is_usable(self) -> bool: ...

    def close(self) -> None: ...


TcpConfigT = TypeVar("TcpConfigT", bound=TcpConfig)
TcpSecretsT = TypeVar("TcpSecretsT", bound=TlsSecrets)
LinkT = TypeVar("LinkT", bound=Link)


class Route(Generic[TcpConfigT, TcpSecretsT, LinkT]):
    """Where one version of a connection leads, and its links that are idle. For many threads.

    ``tls`` are the terms by which TLS is spoken, where it is. ``derived_secrets`` tell a secret and are none of its
    plaintexts.
    """

    def __init__(
        self,
        connection: Connection[TcpConfigT, TcpSecretsT],
        policy: NetworkPolicy,
        origin: Origin,
        derived_secrets: Iterable[str] = (),
    ) -> None:
        overrides = tls_overrides(connection.config, connection.secrets, connection.config.timeout)
        terms = policy.terms_for(origin, overrides)
        self.connection = connection
        self.policy = policy
        self.origin = origin
        self.tls: Tls = terms.tls
        self.masker = Masker([*connection.secrets.plaintexts(), *derived_secrets])
        self._timeout = terms.timeout
        self._limit = policy.terms_for(origin).timeout
        self._lock = threading.Lock()
        self._idle: list[tuple[float, LinkT]] = []  # with the monotonic time since when; the latest last
        self._is_closed = False

    @property
    def config(self) -> TcpConfigT:
        return self.connection.config

    @property
    def secrets(self) -> TcpSecretsT:
        return self.connection.secrets

    def mask(self, text: str) -> str:
        """Return what a server said, without secrets and fit to be stored."""
        return clean(text, self.masker)

    def connect(self, until: float, *, with_tls: bool) -> Stream:
        """Open a connection by ``until`` (monotonic); raise CannotConnect."""
        stream = open_stream(find_addresses(self.policy, self.origin), self.origin.port, until)
        if with_tls:
            stream.secure(self.tls, self.origin.host)
        return stream

    def until(self, message: Message[ParamsT]) -> float:
        """Return the monotonic time at which this try has to end."""
        own = message.timeout
        return time.monotonic() + (self._timeout if own is None else min(own, self._limit))

    def take(self) -> LinkT | None:
        """Return an idle link for the caller alone, if there is one of use; close those that are not."""
        useless, found = [], None
        with self._lock:
            while self._idle and found is None:
                since, link = self._idle.pop()
                if time.monotonic() - since < _KEEP_IDLE and link.is_usable:
                    found = link
                else:
                    useless.append(link)
        for link in useless:
            link.close()
        return found

    def keep(self, link: LinkT) -> None:
        """Take a link back, or close it when it is of no more use."""
        with self._lock:
            is_kept = not self._is_closed and len(self._idle) < _MOST_IDLE and link.is_usable
            if is_kept:
                self._idle.append((time.monotonic(), link))
        if not is_kept:
            link.close()

    def close(self) -> None:
        """Close the idle links now, and each that is in use when it comes back."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for _, link in idle:
            link.close()


class TcpType(ConnectorType[TcpConfigT, TcpSecretsT, ParamsT], Generic[TcpConfigT, TcpSecretsT, ParamsT, LinkT]):
    """A connector type whose system is one server behind a host and a port."""

    def __init__(self) -> None:
        self._routes: OrderedDict[int, Route[TcpConfigT, TcpSecretsT, LinkT]] = OrderedDict()  # longest unused first
        self._lock = threading.Lock()

    @abstractmethod
    def scheme(self, config: TcpConfigT) -> str:
        """Return the protocol's name, another with TLS than without: secrets follow from neither to the other."""

    def derived_secrets(self, config: TcpConfigT, secrets: TcpSecretsT) -> list[str]:
        """Return what tells a secret and is none of its plaintexts, such as credentials put together."""
        return []

    def origin(self, config: TcpConfigT) -> Origin:
        """Return where the server is."""
        return Origin(self.scheme(config), _read_host(config.host), config.port)

    def targets(self, config: TcpConfigT) -> frozenset[str]:
        origin = self.origin(config)
        return frozenset({f"{origin.scheme}://{origin.authority}"})

    def check(self, config: TcpConfigT) -> list[FieldError]:
        policy, origin = NetworkPolicy.current(), self.origin(config)
        try:
            policy.check_host(origin)
        except BlockedTarget as error:
            return [FieldError("/host", str(error))]
        limit = policy.terms_for(origin).timeout
        # The default stands for "as long as usual" and gives way to a lower limit without a word.
        if config.timeout > limit and config.timeout != type(config).model_fields["timeout"].default:
            return [FieldError("/timeout", f"Use at most {limit:g} s: the installation sets the limit.")]
        return []

    def route(self, connection: Connection[TcpConfigT, TcpSecretsT]) -> Route[TcpConfigT, TcpSecretsT, LinkT]:
        """Return where a connection leads, worked out once for each of its versions."""
        policy = NetworkPolicy.current()
        closing = []
        with self._lock:
            route = self._routes.get(connection.id)
            # Compared as a whole: a row's id and version come again where a database was restored.
            if route is None or route.connection != connection or route.policy != policy:
                if route is not None:
                    closing.append(route)
                derived = self.derived_secrets(connection.config, connection.secrets)
                route = Route(connection, policy, self.origin(connection.config), derived)
            self._routes[connection.id] = route
            self._routes.move_to_end(connection.id)
            if len(self._routes) > _MOST_ROUTES:
                closing.append(self._routes.popitem(last=False)[1])
        for old in closing:
            old.close()
        return route

    def forget(self) -> None:
        """Close all idle links."""
        with self._lock:
            routes = list(self._routes.values())
            self._routes.clear()
        for route in routes:
            route.close()


def _read_host(text: str) -> str:
    if ":" not in text:
        return parse_host(text)
    try:
        return parse_address(text)
    except BadUrl:
        raise BadUrl("Write the host alone: the port has a field of its own.") from None
