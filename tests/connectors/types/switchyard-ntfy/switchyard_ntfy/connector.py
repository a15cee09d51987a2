"""The ntfy connector type: one notification a message.

Source: docs.ntfy.sh, "Publishing", sections "Publish as JSON", "Access tokens" and "Limitations".
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from connectors.net.exchange import Request, Response
from connectors.outcomes import Reason
from connectors.steps import Step
from connectors.types.base import Message
from connectors.types.conversations import BadMessage
from connectors.types.http_api import Exchange, HttpApiType
from connectors.types.http_probe import CHECKS
from connectors.types.sites import Site, read_object
from switchyard_ntfy.schemas import TOPIC, NtfyConfig, NtfyParams, NtfySecrets

MAX_MESSAGE: Final = 4096  # bytes

NtfySite = Site[NtfyConfig, NtfySecrets]


class NtfyConnectorType(HttpApiType[NtfyConfig, NtfySecrets, NtfyParams]):
    """Sends push notifications."""

    id = "ntfy"
    name = "ntfy"
    description = "Sends push notifications to phones and browsers."
    categories = ("messaging",)
    icon = "phone_iphone"
    checks = {**CHECKS, "health": "The server says that it is well. A token is checked with the first message."}
    config_model = NtfyConfig
    secrets_model = NtfySecrets
    params_model = NtfyParams

    def base_url(self, config: NtfyConfig, secrets: NtfySecrets) -> str:
        return config.url

    def headers(self, config: NtfyConfig, secrets: NtfySecrets) -> Mapping[str, str]:
        return {"authorization": f"Bearer {secrets.token.get_secret_value()}"} if secrets.token else {}

    def default_params(self) -> dict[str, Any]:
        return {"topic": "ops-alerts"}

    def converse(self, site: NtfySite, message: Message[NtfyParams]) -> Exchange:
        params = message.params
        if not TOPIC.fullmatch(params.topic):
            raise BadMessage(f"topic is {params.topic!r}; ntfy takes 1 to 64 letters, digits, hyphens and underscores.")
        if (size := len(params.message.encode())) > MAX_MESSAGE:
            raise BadMessage(f"message has {size} bytes; ntfy takes {MAX_MESSAGE}.")
        request = site.request("POST", json=params.model_dump(), message=message)
        result = yield request
        said = read_object(result).get("error", "") if isinstance(result, Response) else ""
        return site.outcome(message, request, result, detail=f"ntfy says: {said}." if said else "")

    def probe_request(self, site: NtfySite) -> Request:
        return site.request("GET", "v1/health")

    def judge(self, site: NtfySite, request: Request, response: Response) -> Iterator[Step]:
        yield from super().judge(site, request, response)
        if read_object(response).get("healthy") is True:
            yield Step("health", "ntfy is well.")
        else:
            advice = "Check that the address is the one of an ntfy server, and see its log."
            yield Step("health", "This does not say that it is ntfy, or well.", 0.0, Reason.BAD_CONFIG, advice)
