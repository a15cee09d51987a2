"""The first steps of a probe over TCP: the way to the server, taken apart."""

import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from typing import Final

from connectors.net.dialling import CannotConnect, find_addresses
from connectors.net.policy import NetworkPolicy
from connectors.net.streams import Stream, open_stream
from connectors.net.tls import Tls
from connectors.net.urls import Origin
from connectors.outcomes import Reason
from connectors.steps import Step
from connectors.types.answers import clean
from connectors.types.http_probe import ASK_NETWORK, CHECK_NAME, connect_advice, tls_advice, tls_step
from connectors.types.masking import Masker

# The steps that come first, for the reference.
CHECKS: Final[Mapping[str, str]] = {
    "resolve": "The host has addresses. Left out where an address stands in place of a name.",
    "policy": "The installation allows the target.",
    "connect": "The port takes connections.",
    "tls": "The certificate is valid and trusted; when it ends. Where TLS is used.",
}


class Stopped(Exception):
    """A step of a probe failed."""

    def __init__(self, step: Step) -> None:
        super().__init__(step.detail)
        self.step = step


def told(steps: Iterator[Step], masker: Masker) -> Iterator[Step]:
    """Yield the steps as they may be shown, the one that a Stopped brings along as the last."""
    try:
        for step in steps:
            yield replace(step, detail=clean(step.detail, masker))
    except Stopped as stopped:
        yield replace(stopped.step, detail=clean(stopped.step.detail, masker))


def reach(policy: NetworkPolicy, origin: Origin, until: float) -> Generator[Step, None, Stream]:
    """Yield the steps resolve, policy and connect; return the connection. Raise Stopped."""
    began = time.monotonic()
    try:
        addresses = find_addresses(policy, origin)
    except CannotConnect as error:
        if error.reason is Reason.RETRY_DNS:
            raise Stopped(Step("resolve", error.detail, time.monotonic() - began, error.reason, CHECK_NAME)) from None
        raise Stopped(Step("policy", error.detail, reason=error.reason, advice=ASK_NETWORK)) from None
    if not origin.is_address:
        many = "1 address" if len(addresses) == 1 else f"{len(addresses)} addresses"
        yield Step("resolve", f"{origin.host} has {many}.", time.monotonic() - began)
    yield Step("policy", "The installation allows this target.")
    began = time.monotonic()
    try:
        stream = open_stream(addresses, origin.port, until)
    except CannotConnect as error:
        took = time.monotonic() - began
        raise Stopped(Step("connect", error.detail, took, error.reason, connect_advice(error.reason))) from None
    yield Step("connect", f"Connected to {origin.host}, port {origin.port}.", time.monotonic() - began)
    return stream


def secure(stream: Stream, tls: Tls, host: str) -> Iterator[Step]:
    """Begin TLS, and yield the step tls. Raise Stopped."""
    began = time.monotonic()
    try:
        stream.secure(tls, host)
    except CannotConnect as error:
        advice = tls_advice(error.reason, error.detail)
        raise Stopped(Step("tls", error.detail, time.monotonic() - began, error.reason, advice)) from None
    yield tls_step(tls.verify, stream.certificate, time.monotonic() - began)
