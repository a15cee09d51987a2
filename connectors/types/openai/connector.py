"""The openai connector type: a chat completion for each message."""

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.net.exchange import Request, Response
from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.answers import RESULTS
from connectors.types.base import Adopted, Message
from connectors.types.http_api import Exchange, HttpApiType
from connectors.types.http_probe import ASKING, VETTING
from connectors.types.openai.answering import MAX_READ, judge_error, read_answer
from connectors.types.openai.asking import write_question
from connectors.types.openai.kibana import adopt_genai
from connectors.types.openai.probing import OpenAiSite, judge_models, models_request, query_of
from connectors.types.openai.schemas import OpenAiConfig, OpenAiParams, OpenAiSecrets


class OpenAiConnectorType(HttpApiType[OpenAiConfig, OpenAiSecrets, OpenAiParams]):
    """Asks a model."""

    id = "openai"
    name = "OpenAI"
    description = "Asks a language model of OpenAI, Azure OpenAI or any endpoint with the same API."
    categories = ("ai",)
    icon = "neurology"
    kibana_id = ".gen-ai"
    checks = {
        **VETTING,
        **ASKING,
        "authenticate": "The service accepts the key. Where it lists no models.",
        "models": "The service lists its models.",
        "model": "The model is among them.",
        "status": "What the answer says, where none of these steps can.",
    }
    results = {**RESULTS, "a prompt that is longer than the model takes": Reason.TOO_LARGE}
    config_model = OpenAiConfig
    secrets_model = OpenAiSecrets
    params_model = OpenAiParams

    def base_url(self, config: OpenAiConfig, secrets: OpenAiSecrets) -> str:
        return config.url

    def headers(self, config: OpenAiConfig, secrets: OpenAiSecrets) -> Mapping[str, str]:
        found = {name.lower(): value for name, value in config.headers.items()}
        if secrets.api_key:
            key = secrets.api_key.get_secret_value()
            found |= {"api-key": key} if config.provider == "azure" else {"authorization": f"Bearer {key}"}
        if config.organization:
            found["openai-organization"] = config.organization
        if config.project:
            found["openai-project"] = config.project
        return found

    def missing_secrets(self, config: OpenAiConfig, secrets: OpenAiSecrets) -> list[str]:
        return [] if secrets.api_key or config.provider == "other" else ["api_key"]

    def adopt(self, config: Mapping[str, Any]) -> Adopted:
        return adopt_genai(config)

    def converse(self, site: OpenAiSite, message: Message[OpenAiParams]) -> Exchange:
        request = site.request(
            "POST",
            "chat/completions",
            query=query_of(site.config),
            json=write_question(site.config, message),
            message=message,
            max_body=MAX_READ,
        )
        result = yield request
        if not isinstance(result, Response):
            return site.outcome(message, request, result)
        if not 200 <= result.status < 300:
            reason, detail = judge_error(result)
            return site.outcome(message, request, result, reason, detail)
        return _answered(site, message, request, result)

    def probe_request(self, site: OpenAiSite) -> Request:
        return models_request(site)

    def judge(self, site: OpenAiSite, request: Request, response: Response) -> Iterator[Step]:
        return judge_models(site, request, response)


def _answered(site: OpenAiSite, message: Message[OpenAiParams], request: Request, response: Response) -> Outcome:
    if response.is_cut:
        detail = f"The answer has more than {MAX_READ // 1024} KiB. Ask for a shorter one, with max_tokens."
        return site.outcome(message, request, response, Reason.TOO_LARGE, detail)
    answer = read_answer(response, message.params, site.masker)
    if answer is None:
        detail = f"HTTP {response.status}: the answer is not that of a chat API. Check the URL of the connector."
        return site.outcome(message, request, response, Reason.BAD_CONFIG, detail)
    text = answer["text"].strip()
    if not text and "refusal" in answer:
        text = f"a refusal: {answer['refusal']}"
    said = f"{answer['model'] or 'The model'} answered ({answer['finish_reason'] or 'ended'}): {text or 'no text.'}"
    return site.outcome(message, request, response, detail=said, answer=answer if message.params.answer_event else None)
