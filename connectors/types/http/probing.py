"""What the test of an HTTP connector asks."""

import time
from collections.abc import Iterator
from typing import Final

from connectors.net.exchange import Request, Response
from connectors.steps import Step
from connectors.types.http.client import Client
from connectors.types.http_probe import Probe, probe_http, status_step
from connectors.types.oauth2 import NoToken, TokenSource

_CLIENT_ADVICE: Final = "Check the token endpoint, the client ID and secret, and the scope."


def probe_client(client: Client, *, timeout: float) -> Iterator[Step]:
    """Yield the steps of one question to the connector's URL, as far as they go."""
    tokens, config = client.tokens, client.connection.config
    probe = Probe(
        url=config.url,
        policy=client.policy,
        proxy=client.terms.proxy,
        masker=lambda: client.masker,
        request=client.probe_request,
        judge=None if config.probe_method == "none" else _judge,
        authorize=None if tokens is None else lambda: _authorize(tokens),
    )
    return probe_http(probe, timeout=timeout)


def _judge(request: Request, response: Response) -> Iterator[Step]:
    yield status_step(request.method, response.status)


def _authorize(tokens: TokenSource) -> Step:
    began = time.monotonic()
    try:
        tokens.header()
    except NoToken as error:
        return Step("token", error.failure.detail, time.monotonic() - began, error.failure.reason, _CLIENT_ADVICE)
    return Step("token", f"The access token is good for {tokens.lasts()} s.", time.monotonic() - began)
