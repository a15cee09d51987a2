"""What the test of an HTTP connector asks."""

from collections.abc import Iterator

from connectors.net.exchange import Request, Response
from connectors.steps import Step
from connectors.types.http.client import Client
from connectors.types.http_probe import Probe, probe_http, status_step, token_step


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
        authorize=None if tokens is None else lambda: token_step(tokens),
    )
    return probe_http(probe, timeout=timeout)


def _judge(request: Request, response: Response) -> Iterator[Step]:
    yield status_step(request.method, response.status)
