"""On what terms a request goes out: TLS, proxy and limits, and who may change which of them."""

from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeVar

from connectors.net.tls import Tls, Verify

KEPT_BODY: Final = 16 * 1024  # bytes of an answer's body that are read and kept, unless the installation says otherwise


SaidT = TypeVar("SaidT")
_USUAL: Final = Tls()


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy: plain requests are sent to it, for TLS it opens a tunnel (CONNECT, RFC 9110, section 9.3.6).

    ``url`` is ``http://host:port`` or ``https://host:port``; ``headers`` are lines for the proxy alone; ``tls`` is
    for a proxy that is itself reached over TLS. One that ``is_trusted`` is the installation's: it may have a private
    address.
    """

    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    headers: tuple[str, ...] = field(default=(), repr=False)
    tls: Tls = _USUAL
    is_trusted: bool = False

    @property
    def host(self) -> str:
        """Host and port."""
        return self.url.partition("://")[2]


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one request. ``timeout`` is in seconds; of a body, ``max_body`` bytes are read and kept."""

    tls: Tls = _USUAL
    proxy: Proxy | None = None
    timeout: float = 30.0
    max_body: int = KEPT_BODY


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a host's settings or a connector say in place of the more general ones; None says nothing.

    ``client`` is a certificate and its key, both PEM.
    """

    verify: Verify | None = None
    ca: str | None = None
    client: tuple[str, str] | None = field(default=None, repr=False)
    proxy: Proxy | Literal["direct"] | None = None
    timeout: float | None = None
    max_body: int | None = None

    def applied_to(self, terms: Terms) -> Terms:
        """Return ``terms`` with what is said here in place of what they say."""
        certificate, key = self.client if self.client is not None else (terms.tls.client_cert, terms.tls.client_key)
        proxy = terms.proxy if self.proxy is None else self.proxy
        return replace(
            terms,
            tls=Tls(self.verify or terms.tls.verify, _said(self.ca, terms.tls.ca), certificate, key),
            proxy=None if proxy == "direct" else proxy,
            timeout=_said(self.timeout, terms.timeout),
            max_body=_said(self.max_body, terms.max_body),
        )


def _said(value: SaidT | None, otherwise: SaidT) -> SaidT:
    return otherwise if value is None else value
