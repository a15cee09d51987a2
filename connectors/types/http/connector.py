"""The HTTP connector type."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from connectors.net.policy import BlockedTarget, NetworkPolicy, policy_for
from connectors.net.urls import BadUrl, parse_url
from connectors.outcomes import Outcome
from connectors.steps import Step
from connectors.types.answers import RESULTS
from connectors.types.base import Adopted, ConnectorType, Message, TemplateFormat
from connectors.types.conversations import hold
from connectors.types.http.batches import batch_errors
from connectors.types.http.client import Client, HttpConnection
from connectors.types.http.credentials import HttpSecrets
from connectors.types.http.kibana import adopt_webhook
from connectors.types.http.probing import probe_client
from connectors.types.http.schemas import HttpConfig, HttpParams, content_type_of, is_ndjson
from connectors.types.http.sending import gather, send_batch
from connectors.types.http.signing import succeed
from connectors.types.http_fields import DEFAULT_TIMEOUT, is_json
from connectors.types.http_probe import ASKING, VETTING
from spaces.errors import FieldError

_MAX_CLIENTS: Final = 256


class HttpConnectorType(ConnectorType[HttpConfig, HttpSecrets, HttpParams]):
    """Sends an HTTP request for each message."""

    id = "http"
    name = "HTTP"
    description = "Sends an HTTP request, for example to a webhook or a REST API."
    categories = ("generic",)
    icon = "webhook"
    kibana_id = ".webhook"
    checks = {
        **VETTING,
        "token": "The token endpoint gives an access token. For OAuth 2 only.",
        **ASKING,
        "status": "The status of the answer is a good one. Left out, as is the request, with the test method none.",
    }
    results = RESULTS
    config_model = HttpConfig
    secrets_model = HttpSecrets
    params_model = HttpParams

    def __init__(self) -> None:
        self._clients: OrderedDict[int, Client] = OrderedDict()  # by connector, longest unused first
        self._lock = threading.Lock()

    def check(self, config: HttpConfig) -> list[FieldError]:
        errors = [
            FieldError(pointer, problem)
            for pointer, url in (
                ("/url", config.url),
                ("/token_url", config.token_url if config.auth == "oauth2" else ""),
                ("/proxy_url", config.proxy_url.removeprefix("direct")),
            )
            if url and (problem := _why_refused(url))
        ]
        if not errors:
            # The default stands for "as long as usual" and gives way to a lower limit without a word.
            limit = policy_for(config.url).timeout
            if config.timeout > limit and config.timeout != DEFAULT_TIMEOUT:
                errors.append(FieldError("/timeout", f"Use at most {limit:g} s: the installation sets the limit."))
        return errors

    def check_params(self, config: HttpConfig, params: HttpParams) -> list[FieldError]:
        return batch_errors(config, params)

    def missing_secrets(self, config: HttpConfig, secrets: HttpSecrets) -> list[str]:
        needed = {
            "password": config.auth == "basic",
            "token": config.auth == "bearer",
            "api_key": config.auth == "api_key",
            "client_secret": config.auth == "oauth2",
            "signing_secret": config.signed,
            "client_key": bool(config.client_cert),
            "proxy_password": bool(config.proxy_username),
        }
        return [name for name, is_needed in needed.items() if is_needed and not getattr(secrets, name)]

    def targets(self, config: HttpConfig) -> frozenset[str]:
        urls = [config.url, config.token_url if config.auth == "oauth2" else "", config.proxy_url]
        origins = [parse_url(url)[0] for url in urls if url not in ("", "direct")]
        return frozenset(f"{origin.scheme}://{origin.host}:{origin.port}" for origin in origins)

    def succeed(self, former: HttpSecrets, secrets: HttpSecrets) -> HttpSecrets:
        return succeed(former, secrets)

    def template_format(self, config: HttpConfig, params: dict[str, Any], field: str) -> TemplateFormat:
        if field in {"path", "query"}:
            return "url"
        if field == "body":
            content_type = content_type_of(params.get("headers")) or content_type_of(config.headers)
            return "json" if is_json(content_type) or is_ndjson(content_type) else "text"
        return "text"

    def instead_of_json(self, field: str) -> str:
        return (
            "For a text that is no JSON, set the header content-type, such as to text/plain." if field == "body" else ""
        )

    def adopt(self, config: Mapping[str, Any]) -> Adopted:
        return adopt_webhook(config)

    def default_params(self) -> dict[str, Any]:
        return {"body": "{{ event }}"}

    def deliver(self, connection: HttpConnection, messages: Iterable[Message[HttpParams]]) -> Iterator[Outcome]:
        client = self._client(connection)
        if refusal := client.refusal:
            yield from (Outcome(message.key, refusal.reason, refusal.detail) for message in messages)
            return
        batches = gather(client, messages)
        yield from hold(
            (send_batch(client, batch) for batch in batches),
            key=(self.id, connection.id, connection.version),
            concurrency=connection.concurrency,
            wait=batches.wait,
        )

    def probe(self, connection: HttpConnection, *, timeout: float) -> Iterator[Step]:
        return probe_client(self._client(connection), timeout=timeout)

    def _client(self, connection: HttpConnection) -> Client:
        policy = NetworkPolicy.current()
        with self._lock:
            client = self._clients.get(connection.id)
            # Compared as a whole: a row's id and version come again where a database was restored.
            if client is None or client.connection != connection or client.policy != policy:
                client = Client(connection, policy)
            self._clients[connection.id] = client
            self._clients.move_to_end(connection.id)
            if len(self._clients) > _MAX_CLIENTS:
                self._clients.popitem(last=False)
            return client


def _why_refused(url: str) -> str:
    try:
        NetworkPolicy.current().check_url(url)
    except (BadUrl, BlockedTarget) as error:
        return str(error)
    return ""
