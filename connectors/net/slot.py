"""One libcurl easy handle, used for one transfer after another: setting one up costs more than a transfer."""

import socket
import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import pycurl

from connectors.net.exchange import Certificate, Failure, Request, Response, Result, Trace
from connectors.net.policy import NetworkPolicy
from connectors.net.terms import Proxy
from connectors.net.tls import Tls, ca_bundle
from connectors.outcomes import Reason

CONNECT_TIMEOUT: Final = 10.0
_CACHED_LINE: Final = 256
_NOTHING: Final = Request("GET", "", {})
_NO_TLS: Final = Tls()

_TLS_FAULTS: Final = {
    pycurl.E_SSL_CONNECT_ERROR,
    pycurl.E_PEER_FAILED_VERIFICATION,
    pycurl.E_SSL_ISSUER_ERROR,
    pycurl.E_SSL_INVALIDCERTSTATUS,
    pycurl.E_SSL_CIPHER,
    pycurl.E_USE_SSL_FAILED,
}
_CLIENT_CERTIFICATE_FAULTS: Final = {pycurl.E_SSL_CERTPROBLEM, pycurl.E_BAD_FUNCTION_ARGUMENT}
_TOO_LARGE: Final = 100  # CURLE_TOO_LARGE, which pycurl has no name for
_VERIFY_PEER: Final = {"full": 1, "certificate": 1, "none": 0}
_VERIFY_HOST: Final = {"full": 2, "certificate": 0, "none": 0}


class Slot:
    """One transfer at a time. Each address is judged by the policy before a socket is opened to it.

    ``note_socket`` is told the descriptor of each socket that is.
    """

    def __init__(self, policy: NetworkPolicy, note_socket: Callable[[int], None]) -> None:
        self.curl = pycurl.Curl()
        self._policy = policy
        self._note_socket = note_socket
        self._request = _NOTHING
        self._tls: Tls | None = None
        self._proxy: Proxy | None = None
        self._timeout = 0.0
        self._url = ""
        self._method = ""
        self._began = 0.0
        self._blocked = False
        self._header_lines: list[bytes] = []
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._set_up()

    def _set_up(self) -> None:
        setopt = self.curl.setopt
        setopt(pycurl.NOSIGNAL, 1)
        setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        setopt(pycurl.PATH_AS_IS, 1)
        setopt(pycurl.PROXY, "")  # none of the environment's
        setopt(pycurl.NOPROXY, "")
        # Headers for the system never go to the proxy, nor the other way round.
        setopt(pycurl.HEADEROPT, pycurl.HEADER_SEPARATE)
        setopt(pycurl.TCP_KEEPALIVE, 1)
        setopt(pycurl.CONNECTTIMEOUT_MS, int(CONNECT_TIMEOUT * 1000))
        setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
        setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        setopt(pycurl.SOCKOPTFUNCTION, self._see_socket)
        # libcurl itself gives up on an answer with more than 300 KiB or 5,000 lines of headers, interim ones included.
        setopt(pycurl.HEADERFUNCTION, self._header_lines.append)
        setopt(pycurl.WRITEFUNCTION, self._take_body)

    def prepare(self, request: Request, timeout: float) -> None:
        """Make ready to send ``request`` within ``timeout`` seconds."""
        self._request = request
        setopt = self.curl.setopt
        if request.tls is not self._tls:
            self._set_tls(request.tls)
        if request.proxy is not self._proxy:
            self._set_proxy(request.proxy)
        if timeout != self._timeout:
            setopt(pycurl.TIMEOUT_MS, max(1, int(timeout * 1000)))
            self._timeout = timeout
        if request.url != self._url:
            setopt(pycurl.URL, request.url)
            self._url = request.url
        # curl takes "name:" for the wish to leave a header out, and "name;" for an empty one.
        lines = [f"{name}: {value}" if value else f"{name};" for name, value in request.headers.items()]
        lines += ("Accept-Encoding: identity", "Expect:")
        setopt(pycurl.HTTPHEADER, lines)
        if self._method == "HEAD" != request.method:
            setopt(pycurl.NOBODY, 0)
        if request.method == "HEAD":
            setopt(pycurl.NOBODY, 1)  # or else curl waits for the body that a content-length announces
        elif request.body is None:
            setopt(pycurl.HTTPGET, 1)
        else:
            setopt(pycurl.POSTFIELDS, request.body)
        if request.method != self._method:
            setopt(pycurl.CUSTOMREQUEST, request.method)
            self._method = request.method
        self._blocked = False
        self._header_lines.clear()
        self._body.clear()
        self._body_bytes = 0
        self._began = time.perf_counter()

    @property
    def began(self) -> bool:
        """Whether it was ever used."""
        return self._request is not _NOTHING

    def response(self) -> tuple[Request, Result]:
        """Return the request and its answer, after a transfer that ended well."""
        return self._request, Response(
            status=self.curl.getinfo(pycurl.RESPONSE_CODE),
            headers=_parse_headers(self._header_lines),
            body=b"".join(self._body)[: self._request.max_body],
            is_cut=self._body_bytes > self._request.max_body,
            duration=time.perf_counter() - self._began,
        )

    def failure(self, code: int, message: str) -> tuple[Request, Result]:
        """Return the request and what became of it, after a transfer that curl ended with this error."""
        if self._body_bytes > self._request.max_body:
            return self.response()
        # pycurl decodes with surrogateescape, and no lone surrogate may get into the event log.
        reason, detail = self._explain(code, message.encode("ascii", "replace").decode())
        return self._request, Failure(reason, detail, time.perf_counter() - self._began)

    def trace(self) -> Trace:
        """Return how far the last transfer came, and when."""
        getinfo = self.curl.getinfo
        return Trace(
            connected=getinfo(pycurl.CONNECT_TIME) or None,
            secured=getinfo(pycurl.APPCONNECT_TIME) or None,
            answered=getinfo(pycurl.STARTTRANSFER_TIME) or None,
            certificate=_certificate(getinfo(pycurl.INFO_CERTINFO)),
        )

    def close(self) -> None:
        """Free the handle. The slot is of no more use."""
        self.curl.close()

    def _explain(self, code: int, message: str) -> tuple[Reason, str]:
        if self._blocked:
            return Reason.BLOCKED_TARGET, self._policy.why_denied(self._peer())
        if refusal := self._proxy_refusal():
            return Reason.RETRY_CONNECT, refusal
        if code == pycurl.E_OPERATION_TIMEDOUT:
            return Reason.RETRY_TIMEOUT, self._explain_timeout()
        if code == pycurl.E_COULDNT_RESOLVE_HOST:
            return Reason.RETRY_DNS, f"The name {self._host()} could not be resolved."
        if code == pycurl.E_COULDNT_RESOLVE_PROXY:
            return Reason.RETRY_DNS, f"The name of {self._peer()} could not be resolved."
        if code == pycurl.E_COULDNT_CONNECT:
            return Reason.RETRY_CONNECT, f"No connection to {self._peer()}: nothing accepts one there."
        if code in _TLS_FAULTS:
            return Reason.RETRY_TLS, f"TLS with {self._host()} failed: {message}."
        if code in _CLIENT_CERTIFICATE_FAULTS:
            return Reason.BAD_CONFIG, "The client certificate or its key cannot be used, or they do not fit together."
        if code == pycurl.E_SSL_CACERT_BADFILE:
            return Reason.BAD_CONFIG, "The certificate authorities to trust cannot be read."
        if code == pycurl.E_URL_MALFORMAT:
            return Reason.BAD_CONFIG, "The URL cannot be used."
        why = "a header is too long" if code == _TOO_LARGE else message
        return Reason.RETRY_CONNECT, f"No complete answer from {self._host()}: {why}."

    def _explain_timeout(self) -> str:
        seconds = self._request.timeout
        if self.curl.getinfo(pycurl.LOCAL_PORT) <= 0:
            return f"No connection to {self._peer()} within {min(CONNECT_TIMEOUT, seconds):g} s."
        if status := self.curl.getinfo(pycurl.RESPONSE_CODE):
            return f"The answer (HTTP {status}) was not complete within {seconds:g} s."
        return f"No answer within {seconds:g} s."

    def _host(self) -> str:
        return self._url.split("/", 3)[2]

    def _peer(self) -> str:
        """Return whom the socket goes to."""
        return self._host() if self._proxy is None else f"the proxy {self._proxy.host}"

    def _proxy_refusal(self) -> str:
        status = self.curl.getinfo(pycurl.HTTP_CONNECTCODE)
        if self._proxy is None or not status or 200 <= status < 300:
            return ""
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return f"{self._peer().capitalize()} wants other credentials (HTTP 407)."
        return f"{self._peer().capitalize()} opens no tunnel to {self._host()} (HTTP {status})."

    def _set_proxy(self, proxy: Proxy | None) -> None:
        setopt, unsetopt = self.curl.setopt, self.curl.unsetopt
        self._proxy = proxy
        setopt(pycurl.PROXY, "" if proxy is None else proxy.url)
        setopt(pycurl.PROXYHEADER, [] if proxy is None else list(proxy.headers))
        for option, text in (
            (pycurl.PROXYUSERNAME, proxy.username if proxy else ""),
            (pycurl.PROXYPASSWORD, proxy.password if proxy else ""),
        ):
            if text:
                setopt(option, text)
            else:
                unsetopt(option)
        tls = _NO_TLS if proxy is None else proxy.tls
        setopt(pycurl.PROXY_SSL_VERIFYPEER, _VERIFY_PEER[tls.verify])
        setopt(pycurl.PROXY_SSL_VERIFYHOST, _VERIFY_HOST[tls.verify])
        setopt(pycurl.PROXY_SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
        setopt(pycurl.PROXY_CAINFO, ca_bundle())
        if tls.ca:
            setopt(pycurl.PROXY_CAINFO_BLOB, tls.ca.encode())
        else:
            unsetopt(pycurl.PROXY_CAINFO_BLOB)

    def _set_tls(self, tls: Tls) -> None:
        setopt, unsetopt = self.curl.setopt, self.curl.unsetopt
        setopt(pycurl.SSL_VERIFYPEER, _VERIFY_PEER[tls.verify])
        setopt(pycurl.SSL_VERIFYHOST, _VERIFY_HOST[tls.verify])
        setopt(pycurl.CAINFO, ca_bundle())
        # Blobs: no secret touches the disk.
        for option, pem in (
            (pycurl.CAINFO_BLOB, tls.ca),
            (pycurl.SSLCERT_BLOB, tls.client_cert),
            (pycurl.SSLKEY_BLOB, tls.client_key),
        ):
            if pem:
                setopt(option, pem.encode())
            else:
                unsetopt(option)
        self._tls = tls

    def _open_socket(self, purpose: int, address: Any) -> Any:
        # Over the installation's own proxy the socket goes to the proxy; it judges what lies behind.
        is_vetted = self._proxy is not None and self._proxy.is_trusted
        self._blocked = self._blocked or (not is_vetted and self._policy.is_denied(address.addr[0]))
        if self._blocked:
            return pycurl.SOCKET_BAD
        try:
            return socket.socket(address.family, address.socktype, address.protocol)
        except OSError:  # no IPv6 here, or too many files are open
            return pycurl.SOCKET_BAD

    def _see_socket(self, descriptor: int, purpose: int) -> int:
        self._note_socket(descriptor)
        return int(pycurl.SOCKOPT_OK)

    def _take_body(self, chunk: bytes) -> int | None:
        self._body_bytes += len(chunk)
        self._body.append(chunk)
        return 0 if self._body_bytes > self._request.max_body else None


def _certificate(chain: list[tuple[tuple[str, str], ...]]) -> Certificate | None:
    """Return the server's certificate, the first of what curl lists of each in the chain."""
    if not chain:
        return None
    fields = dict(chain[0])
    try:
        expires = parsedate_to_datetime(fields.get("Expire date", ""))
    except ValueError:
        return None
    return Certificate(fields.get("Issuer", ""), expires.astimezone(UTC))


def _parse_headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, value = _parse_line(line) if len(line) <= _CACHED_LINE else _split_line(line)
        if name is None:
            headers.clear()  # what came before was an interim answer, as 103
        elif name and name not in headers:
            headers[name] = value
    return headers


def _split_line(line: bytes) -> tuple[str | None, str]:
    """Return a header's name and value; without a name it is a status line, with an empty one the last line."""
    if line.startswith(b"HTTP/"):
        return None, ""
    name, _, value = line.decode("latin-1").partition(":")
    return name.strip().lower(), value.strip()


# A receiver's answers are much the same.
_parse_line = lru_cache(maxsize=1024)(_split_line)
