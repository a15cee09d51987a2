"""What a test of an OpenAI connector finds out without asking a model anything, which would cost.

Source: OpenAI, "List models"; Azure OpenAI, "Models - List" (the resource's, beside its deployments).
"""

from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from connectors.net.exchange import Request, Response
from connectors.outcomes import Reason
from connectors.steps import Step
from connectors.types.http_probe import status_step
from connectors.types.openai.answering import MAX_READ, judge_error
from connectors.types.openai.schemas import OpenAiConfig, OpenAiSecrets
from connectors.types.sites import Site, read_object

OpenAiSite = Site[OpenAiConfig, OpenAiSecrets]

_DEPLOYMENTS: Final = "/deployments/"
_NO_LIST: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})


def models_request(site: OpenAiSite) -> Request:
    """Return a request for the list of models."""
    request = site.request("GET", "models", query=query_of(site.config), max_body=MAX_READ)
    before, found, _ = site.base.partition(_DEPLOYMENTS)
    if not found:
        return request
    return replace(request, url=request.url.replace(f"{site.base.removesuffix('/')}/", f"{before}/", 1))


def query_of(config: OpenAiConfig) -> dict[str, str]:
    """Return the query of every request."""
    return {"api-version": config.api_version} if config.api_version else {}


def judge_models(site: OpenAiSite, request: Request, response: Response) -> Iterator[Step]:
    """Yield what the answer to models_request means."""
    if response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        _, said = judge_error(response)
        yield Step(
            "authenticate",
            f"{said or f'HTTP {response.status}'}.".replace("..", "."),
            reason=Reason.BAD_CONFIG,
            advice="Check the API key, and the organization and project if they are set.",
        )
        return
    if response.status in _NO_LIST:
        yield Step("models", f"HTTP {response.status}: it lists no models. Whether it answers shows with a message.")
        return
    if response.status != HTTPStatus.OK:
        yield status_step(request.method, response.status)
        return
    listed = read_object(response).get("data")
    if not isinstance(listed, list):
        yield Step(
            "models",
            "The answer is not the list of models of a chat API.",
            reason=Reason.BAD_CONFIG,
            advice="Check the URL: it ends before /chat/completions, for OpenAI in /v1.",
        )
        return
    yield Step("authenticate", "The credentials are accepted.")
    if _DEPLOYMENTS not in site.base:
        yield _model_step(site.config, {str(each.get("id")) for each in listed if isinstance(each, dict)})


def _model_step(config: OpenAiConfig, known: set[str]) -> Step:
    if config.model in known:
        return Step("model", f"{config.model} can be used.")
    if config.provider == "openai":
        return Step(
            "model",
            f"{config.model} is not among the models that this key may use.",
            reason=Reason.BAD_CONFIG,
            advice="Check the name of the model, and what the project of the key allows.",
        )
    return Step(
        "model", f"{config.model} is not listed.", advice="Check its name, unless the endpoint lists other models only."
    )
