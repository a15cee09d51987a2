"""requests' interface for single calls, over the same engine and under the same policy."""

from collections.abc import Hashable, Mapping
from http import HTTPStatus
from typing import Any, Final

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from connectors.net.exchange import Failure, Request
from connectors.net.exchange import Response as Answer
from connectors.net.http import send
from connectors.net.policy import BlockedTarget, NetworkPolicy, policy_for
from connectors.net.terms import Overrides
from connectors.net.urls import BadUrl
from connectors.outcomes import Reason

# What frames a request is the engine's business.
_FRAMING: Final = {"accept-encoding", "connection", "content-length", "host", "transfer-encoding"}


class TargetBlocked(requests.RequestException):
    """The network policy does not allow this target."""


_EXCEPTIONS: Final[Mapping[Reason, type[requests.RequestException]]] = {
    Reason.BLOCKED_TARGET: TargetBlocked,
    Reason.BAD_CONFIG: requests.exceptions.InvalidURL,
    Reason.RETRY_TIMEOUT: requests.Timeout,
    Reason.RETRY_TLS: requests.exceptions.SSLError,
}


class Session(requests.Session):
    """A requests session whose every request goes through the engine. Redirects are answers like any other.

    ``timeout`` is a number of seconds for the whole call, and never more than the policy's. ``key`` is as for
    ``connectors.net.http.send_many``; ``overrides`` are the connector's word on TLS and proxy, requests' own
    ``verify``, ``cert`` and proxies are not used. An answer longer than the policy keeps raises
    requests.ConnectionError.
    """

    def __init__(self, key: Hashable, overrides: Overrides | None = None) -> None:
        super().__init__()
        self.trust_env = False
        self.adapters.clear()
        for scheme in ("http://", "https://"):
            self.mount(scheme, EngineAdapter(key, overrides or Overrides()))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: no redirect is followed."""


class EngineAdapter(BaseAdapter):
    """Sends prepared requests through the engine."""

    def __init__(self, key: Hashable, overrides: Overrides) -> None:
        super().__init__()
        self._key = key
        self._overrides = overrides

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, timeout: Any = None, *_: Any, **__: Any
    ) -> requests.Response:
        """Send and return the whole answer; raise a requests.RequestException."""
        try:
            url = NetworkPolicy.current().check_url(request.url or "")
            terms = policy_for(url, self._overrides)
        except BadUrl as error:
            raise requests.exceptions.InvalidURL(str(error), request=request) from None
        except BlockedTarget as error:
            raise TargetBlocked(str(error), request=request) from None
        body = request.body
        result = send(
            Request(
                method=request.method or "GET",
                url=url,
                headers=headers_of(request),
                body=body.encode() if isinstance(body, str) else body,
                timeout=min(timeout or terms.timeout, terms.timeout),
                tls=terms.tls,
                proxy=terms.proxy,
                max_body=terms.max_body,
            ),
            key=self._key,
        )
        if isinstance(result, Failure):
            raise _EXCEPTIONS.get(result.reason, requests.ConnectionError)(result.detail, request=request)
        if result.is_cut:
            raise requests.ConnectionError(f"The answer is longer than {terms.max_body} bytes.", request=request)
        return response_to(request, result)

    def close(self) -> None:
        """Do nothing: the pool closes connections."""


def headers_of(request: requests.PreparedRequest) -> dict[str, str]:
    """Return the headers of a request that are its own, names in lower case."""
    return {lower: value for name, value in request.headers.items() if (lower := name.lower()) not in _FRAMING}


def response_to(request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    """Return an answer in requests' terms."""
    response = requests.Response()
    response.status_code = answer.status
    response.reason = HTTPStatus(answer.status).phrase if answer.status in set(HTTPStatus) else ""
    response.headers = CaseInsensitiveDict(answer.headers)
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.url = request.url or ""
    response.request = request
    response._content = answer.body  # requests offers no public way to set a body
    return response
