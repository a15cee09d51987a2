"""The Microsoft Teams connector type: an Adaptive Card to the webhook of a workflow.

Sources: https://learn.microsoft.com/en-us/connectors/teams/, "Microsoft Teams Webhook", for what a workflow takes, and
https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using for the limits
and for what the older Microsoft 365 connectors answer: they say 200 and name the error in the body.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from connectors.net.exchange import Failure, Request, Response
from connectors.outcomes import Reason
from connectors.steps import Step
from connectors.types.answers import RESULTS, reason_for
from connectors.types.base import Adopted, Message, TemplateFormat
from connectors.types.conversations import BadMessage
from connectors.types.cutting import cut
from connectors.types.http_api import Exchange, HttpApiType
from connectors.types.http_probe import CHECKS
from connectors.types.sites import Site, read_object, write_json
from connectors.types.teams.schemas import TeamsConfig, TeamsParams, TeamsSecrets

MAX_MESSAGE: Final = 28 * 1024  # bytes of the whole request
_MAX_TITLE: Final = 1024  # characters, so that there is always room for the message
_HIDDEN: Final = re.compile(r"returned HTTP error (\d{3})")
_FAILED: Final = "Webhook message delivery failed"
_THROTTLED: Final = "ApplicationThrottled"
# What a workflow says when it is gone, off, or asks for more than its URL has.
_NO_WORKFLOW: Final = frozenset({"WorkflowNotFound", "WorkflowTriggerIsNotEnabled", "WorkflowTriggerNotFound"})
_NO_ACCESS: Final = frozenset(
    {"DirectApiAuthorizationRequired", "DirectApiInvalidAuthorizationScheme", "AuthorizationFailed"}
)
_MARKED_UP: Final = frozenset({"TextBlock", "FactSet"})

TeamsSite = Site[TeamsConfig, TeamsSecrets]


class TeamsConnectorType(HttpApiType[TeamsConfig, TeamsSecrets, TeamsParams]):
    """Posts cards to a channel or a chat."""

    id = "teams"
    name = "Microsoft Teams"
    description = "Posts messages to Microsoft Teams, as text or as an Adaptive Card, through a workflow's webhook."
    categories = ("messaging",)
    icon = "groups"
    kibana_id = ".teams"
    checks = {**CHECKS, "webhook": "Nothing: a workflow can be asked nothing without a message."}
    results = {
        **RESULTS,
        "an error 429 within a 200": Reason.RETRY_429,
        "a workflow that is gone, off, or not open to anyone": Reason.BAD_CONFIG,
        "an answer 413": Reason.TOO_LARGE,
    }
    config_model = TeamsConfig
    secrets_model = TeamsSecrets
    params_model = TeamsParams

    def base_url(self, config: TeamsConfig, secrets: TeamsSecrets) -> str:
        return secrets.webhook_url.get_secret_value() if secrets.webhook_url else ""

    def missing_secrets(self, config: TeamsConfig, secrets: TeamsSecrets) -> list[str]:
        return [] if secrets.webhook_url else ["webhook_url"]

    def template_format(self, config: TeamsConfig, params: dict[str, Any], field: str) -> TemplateFormat:
        return "text" if field == "card" else "markdown"

    def nested_format(self, field: str, holder: Mapping[str, Any], key: str) -> TemplateFormat | None:
        # A fact of a FactSet has no type: it is told by its two members.
        is_fact = key in ("title", "value") and {"title", "value"} >= holder.keys()
        return "markdown" if is_fact or (key == "text" and holder.get("type") != "TextRun") else "text"

    def default_params(self) -> dict[str, Any]:
        return {"message": "{{ event.type }} from {{ event.source }}"}

    def adopt(self, config: Mapping[str, Any]) -> Adopted:
        return Adopted({}, ("webhook_url",))

    def converse(self, site: TeamsSite, message: Message[TeamsParams]) -> Exchange:
        request = site.request("POST", json=_fitting(message.params), message=message)
        result = yield request
        if isinstance(result, Failure):
            return site.outcome(message, request, result)
        reason, detail = _judge_answer(result)
        return site.outcome(message, request, result, reason=reason, detail=detail)

    def probe_request(self, site: TeamsSite) -> Request:
        return site.host_request()

    def judge(self, site: TeamsSite, request: Request, response: Response) -> Iterator[Step]:
        yield Step("webhook", "A workflow can be asked nothing: whether it posts shows with the first message.")


def _fitting(params: TeamsParams) -> dict[str, Any]:
    """Return the whole request; raise BadMessage for a card that is too large."""
    if params.card:
        if params.card.get("type") != "AdaptiveCard":
            raise BadMessage(f"card.type is {params.card.get('type')!r}; it must be 'AdaptiveCard'.")
        whole = _wrapped(params.card)
        if (size := len(write_json(whole))) > MAX_MESSAGE:
            raise BadMessage(f"card makes a message of {size:,} bytes; Teams takes {MAX_MESSAGE:,}.")
        return whole
    title, text = cut(params.title, _MAX_TITLE), params.message
    whole = _wrapped(_card(title, text))
    if len(write_json(whole)) <= MAX_MESSAGE:
        return whole
    fits, exceeds = 1, len(text)
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        if len(write_json(_wrapped(_card(title, cut(text, middle))))) <= MAX_MESSAGE:
            fits = middle
        else:
            exceeds = middle
    return _wrapped(_card(title, cut(text, fits)))


def _card(title: str, text: str) -> dict[str, Any]:
    heading = {"type": "TextBlock", "text": title, "size": "Large", "weight": "Bolder", "wrap": True}
    body = {"type": "TextBlock", "text": text, "wrap": True}
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [block for block in (heading, body) if str(block["text"]).strip()],
    }


def _wrapped(card: Mapping[str, Any]) -> dict[str, Any]:
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _judge_answer(response: Response) -> tuple[Reason, str]:
    """Return what an answer means, and a line about it; the line is empty where the status says it all."""
    text = response.body.decode("utf-8", "replace")
    status, hidden = response.status, _HIDDEN.search(text)
    if status < 300 and (hidden or _THROTTLED in text):
        status = 429 if hidden is None else int(hidden[1])
        return _reason(status), f"Teams answered {response.status} and means HTTP {status}."
    if status < 300 and _FAILED in text:
        return Reason.PERMANENT_4XX, text
    error = read_object(response).get("error")
    code = str(error.get("code", "")) if isinstance(error, dict) else ""
    if code in _NO_WORKFLOW:
        return Reason.BAD_CONFIG, f"HTTP {status}: {code}. Switch the workflow on, or make another one."
    if code in _NO_ACCESS:
        return Reason.BAD_CONFIG, f"HTTP {status}: {code}. Let anyone who has its URL trigger the workflow."
    if code and isinstance(error, dict):
        return _reason(status), f"HTTP {status}: {code}. {error.get('message', '')}"
    return _reason(status), "Teams took it." if status < 300 else ""


def _reason(status: int) -> Reason:
    return Reason.TOO_LARGE if status == 413 else reason_for(status)
