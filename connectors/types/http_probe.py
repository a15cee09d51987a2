"""The steps of a probe over HTTP: one real request that says nothing, taken apart."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from connectors.net.exchange import Certificate, Failure, Request, Response, Trace
from connectors.net.http import trace
from connectors.net.policy import BlockedTarget, NetworkPolicy, check_proxy
from connectors.net.resolver import NameNotFound, resolve
from connectors.net.terms import Proxy
from connectors.net.urls import BadUrl, Origin, parse_url
from connectors.outcomes import Reason
from connectors.steps import Step
from connectors.types.answers import clean, reason_for
from connectors.types.masking import Masker
from connectors.types.oauth2 import NoToken, TokenSource

SOON: Final = 21  # days before its end from which a certificate is worth a word

_ASK_NETWORK: Final = (
    "Where this target is meant, whoever runs this installation allows it in NETWORK_ALLOWED_HOSTS or "
    "NETWORK_ALLOWED_PRIVATE."
)
# What curl and OpenSSL say of a certificate, and what to do about it.
_TLS_ADVICE: Final = (
    ("expired", "The certificate has expired: whoever runs the system renews it."),
    ("not yet valid", "The certificate is not valid yet: check the clocks of both systems."),
    (
        "self-signed",
        "Nobody that is trusted vouches for the certificate. Enter the certificate of its authority in this connector.",
    ),
    ("self signed", "Enter the certificate of its authority in this connector."),
    (
        "local issuer",
        "Its authority is not known here, or the system does not send its intermediate certificates. Enter the "
        "certificate of the authority in this connector.",
    ),
    ("host name", "The certificate is for another host: use the name that stands in it."),
    ("certificate required", "The system wants a client certificate."),
)
STATUS_ADVICE: Final = {
    401: "The credentials are missing or wrong.",
    403: "The credentials are not allowed to do this, or the address wants others.",
    407: "A proxy wants credentials.",
    429: "The system asks for fewer requests; deliveries wait as it says.",
}
_CLIENT_ADVICE: Final = "Check the token endpoint, the client ID and secret, and the scope."
# The system is there, and this is not the method or the body that it takes here.
_OTHER_METHOD: Final = frozenset({400, 404, 405, 406, 411, 415, 422, 501})


@dataclass(frozen=True, slots=True)
class Probe:
    """What a probe asks and how it judges the answer.

    ``authorize`` gets what the request needs first, such as an access token. ``request`` makes the one that asks, for
    so many seconds; ``judge`` yields what its answer means, and may ask more. Without a ``judge`` the probe ends when
    the connection stands.
    """

    url: str
    policy: NetworkPolicy
    proxy: Proxy | None
    masker: Callable[[], Masker]
    request: Callable[[float], Request]
    judge: Callable[[Request, Response], Iterator[Step]] | None
    authorize: Callable[[], Step] | None = None


def probe_http(probe: Probe, *, timeout: float) -> Iterator[Step]:
    """Yield the steps parse, resolve, policy, token, connect, tls, request and those of the judge, as far as they go.

    Which of them there are depends on the connection: resolve for a name, token where one is needed, tls for https.
    """
    for step in _steps(probe, timeout):
        # What the system says stands in a detail: it may say a secret back.
        yield replace(step, detail=clean(step.detail, probe.masker()))
        if not step.reason.is_ok:
            return


def _steps(probe: Probe, timeout: float) -> Iterator[Step]:
    deadline = time.monotonic() + timeout
    try:
        origin, _ = parse_url(probe.url)
    except BadUrl as error:
        yield Step("parse", str(error), reason=Reason.BAD_CONFIG, advice="Correct the URL.")
        return
    yield Step("parse", f"{origin.scheme.upper()} to {origin.host}, port {origin.port}.")
    yield from _vet(probe.policy, probe.proxy, origin)
    if probe.authorize is not None:
        yield probe.authorize()
    request = probe.request(max(deadline - time.monotonic(), 0.1))
    result, traced = trace(request)
    yield from _take_apart(origin, request, result, traced, is_answer_wanted=probe.judge is not None)
    if probe.judge is not None and isinstance(result, Response):
        yield from probe.judge(request, result)


def _vet(policy: NetworkPolicy, proxy: Proxy | None, origin: Origin) -> Iterator[Step]:
    try:
        policy.check_origin(origin)
        check_proxy(policy, proxy)
        if not origin.is_address and proxy is None:
            began = time.monotonic()
            addresses = resolve(origin.host)
            many = "1 address" if len(addresses) == 1 else f"{len(addresses)} addresses"
            yield Step("resolve", f"{origin.host} has {many}.", time.monotonic() - began)
            if any(policy.is_denied(address) for address in addresses):
                raise BlockedTarget(policy.why_denied(origin.host))
    except NameNotFound as error:
        yield Step(
            "resolve",
            str(error),
            time.monotonic() - began,
            Reason.RETRY_DNS,
            "Check the spelling of the host, and that the name servers of this installation know it.",
        )
    except BlockedTarget as error:
        yield Step("policy", str(error), reason=Reason.BLOCKED_TARGET, advice=_ASK_NETWORK)
    else:
        over = f" It is reached over the proxy {proxy.host}." if proxy is not None else ""
        yield Step("policy", f"The installation allows this target.{over}")


def _take_apart(
    origin: Origin, request: Request, result: Response | Failure, traced: Trace | None, *, is_answer_wanted: bool
) -> Iterator[Step]:
    if traced is None or traced.connected is None:
        assert isinstance(result, Failure)
        yield Step("connect", result.detail, result.duration, result.reason, _connect_advice(result.reason))
        return
    yield Step("connect", f"Connected to {origin.host}, port {origin.port}.", traced.connected)
    reached = traced.connected
    if origin.scheme == "https":
        if traced.secured is None:
            assert isinstance(result, Failure)
            yield Step("tls", result.detail, result.duration - reached, result.reason, _tls_advice(result))
            return
        yield _tls_step(request, traced.certificate, traced.secured - reached)
        reached = traced.secured
    if not is_answer_wanted:
        return
    if isinstance(result, Failure):
        advice = _tls_advice(result) if result.reason is Reason.RETRY_TLS else _NO_ANSWER
        yield Step("request", result.detail, result.duration - reached, result.reason, advice)
        return
    answered = traced.answered if traced.answered is not None else result.duration
    yield Step("request", f"{request.method} was answered.", max(answered - reached, 0.0))


def token_step(tokens: TokenSource) -> Step:
    """Get an access token, for a probe's ``authorize``."""
    began = time.monotonic()
    try:
        tokens.header()
    except NoToken as error:
        return Step("token", error.failure.detail, time.monotonic() - began, error.failure.reason, _CLIENT_ADVICE)
    return Step("token", f"The access token is good for {tokens.lasts()} s.", time.monotonic() - began)


_NO_ANSWER: Final = (
    "The system took the connection and gave no answer. Check that it speaks HTTP there and is not stuck."
)


def _connect_advice(reason: Reason) -> str:
    if reason is Reason.RETRY_TIMEOUT:
        return "A firewall may drop the packets. Check that this installation may reach the port."
    return "Check that the system runs and listens on this port."


def _tls_advice(failure: Failure) -> str:
    if failure.reason is not Reason.RETRY_TLS:
        return "Check that the system speaks TLS on this port."
    said = failure.detail.lower()
    return next((advice for words, advice in _TLS_ADVICE if words in said), "Check the TLS settings of both sides.")


def _tls_step(request: Request, certificate: Certificate | None, duration: float) -> Step:
    verified = {
        "full": "verified",
        "certificate": "verified, its host name not checked",
        "none": "not verified, as this connector says",
    }[request.tls.verify]
    if certificate is None:
        return Step("tls", f"The certificate is {verified}.", duration)
    days = (certificate.expires - datetime.now(UTC)).days
    detail = (
        f"The certificate is {verified}. It was issued by {certificate.issuer} and ends on "
        f"{certificate.expires:%Y-%m-%d}, in {days} days."
    )
    return Step("tls", detail, duration, advice="It ends soon: renew it." if days < SOON else "")


def status_step(method: str, status: int) -> Step:
    """Return what the status of the answer to a question without a message means."""
    reason = reason_for(status)
    if reason.is_ok:
        return Step("status", f"HTTP {status}: the system accepts requests.")
    if status in _OTHER_METHOD:
        return Step(
            "status",
            f"HTTP {status}: the system answers, but takes no {method} here. Whether it takes the messages shows "
            "when one is sent.",
        )
    if status == 429:
        return Step("status", "HTTP 429: the system answers.", advice=STATUS_ADVICE[429])
    if 300 <= status < 400:
        return Step(
            "status",
            f"HTTP {status}: the address has moved.",
            reason=Reason.BAD_CONFIG,
            advice="Redirects are not followed: enter the address that it points to.",
        )
    if status in STATUS_ADVICE:
        return Step("status", f"HTTP {status}: refused.", reason=Reason.BAD_CONFIG, advice=STATUS_ADVICE[status])
    advice = "The system itself has a fault: see its own logs." if reason.is_retry else "Check the address."
    return Step("status", f"HTTP {status}.", reason=reason, advice=advice)
