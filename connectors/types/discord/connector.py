"""The Discord connector type: messages through "Execute Webhook", which waits until the message is there.

Sources: https://docs.discord.com/developers/resources/webhook and, for what is refused and how long to wait,
https://docs.discord.com/developers/topics/opcodes-and-status-codes and https://docs.discord.com/developers/topics/rate-limits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from connectors.net.exchange import Failure, Request, Response
from connectors.outcomes import Reason
from connectors.steps import Step
from connectors.types.answers import RESULTS, reason_for, wait_of
from connectors.types.base import Message, TemplateFormat
from connectors.types.conversations import BadMessage
from connectors.types.cutting import cut
from connectors.types.discord.embeds import write_embeds
from connectors.types.discord.schemas import DiscordConfig, DiscordParams, DiscordSecrets
from connectors.types.http_api import Exchange, HttpApiType
from connectors.types.http_probe import CHECKS, status_step
from connectors.types.sites import Site, read_object

MAX_CONTENT: Final = 2000  # characters
_MAX_ANSWER: Final = 1024 * 1024  # bytes: Discord sends the whole message back
_MAX_USERNAME: Final = 80
_MAX_THREAD_NAME: Final = 100
_SILENT: Final = 1 << 12  # the message flag SUPPRESS_NOTIFICATIONS
# Errors that say that the webhook itself is no good: unknown webhook, invalid webhook token.
_NO_WEBHOOK: Final = frozenset({10015, 50027})
_MARKED_UP: Final = frozenset({"title", "description", "value"})

DiscordSite = Site[DiscordConfig, DiscordSecrets]


class DiscordConnectorType(HttpApiType[DiscordConfig, DiscordSecrets, DiscordParams]):
    """Posts messages to the channel of a webhook."""

    id = "discord"
    name = "Discord"
    description = "Posts messages to Discord, as text or as embeds, through a channel's webhook."
    categories = ("messaging",)
    icon = "forum"
    checks = {**CHECKS, "webhook": "Discord knows the webhook, and says what it is called and where it posts."}
    results = {**RESULTS, "a webhook that Discord does not know": Reason.BAD_CONFIG}
    config_model = DiscordConfig
    secrets_model = DiscordSecrets
    params_model = DiscordParams

    def base_url(self, config: DiscordConfig, secrets: DiscordSecrets) -> str:
        return secrets.webhook_url.get_secret_value() if secrets.webhook_url else ""

    def missing_secrets(self, config: DiscordConfig, secrets: DiscordSecrets) -> list[str]:
        return [] if secrets.webhook_url else ["webhook_url"]

    def template_format(self, config: DiscordConfig, params: dict[str, Any], field: str) -> TemplateFormat:
        return "discord" if field == "content" else "text"

    def nested_format(self, field: str, holder: Mapping[str, Any], key: str) -> TemplateFormat | None:
        # An author has a name without markup, a field one with.
        return "discord" if key in _MARKED_UP or (key == "name" and "value" in holder) else "text"

    def default_params(self) -> dict[str, Any]:
        return {"content": "{{ event.type }} from {{ event.source }}"}

    def converse(self, site: DiscordSite, message: Message[DiscordParams]) -> Exchange:
        params = message.params
        query = {"wait": "true"}
        if params.thread_id:
            if not (params.thread_id.isascii() and params.thread_id.isdigit()):
                raise BadMessage(f"thread_id is {params.thread_id!r}; it must be a number.")
            query["thread_id"] = params.thread_id
        payload = _payload(params)
        request = site.request("POST", query=query, json=payload, message=message, max_body=_MAX_ANSWER)
        result = yield request
        if isinstance(result, Failure):
            return site.outcome(message, request, result)
        reason, detail = _judge_answer(result)
        outcome = site.outcome(message, request, result, reason=reason, detail=detail)
        # The header says the same in whole seconds.
        wait = wait_of(read_object(result).get("retry_after"))
        return replace(outcome, retry_after=wait) if wait is not None and not reason.is_ok else outcome

    def judge(self, site: DiscordSite, request: Request, response: Response) -> Iterator[Step]:
        said = read_object(response)
        if response.status == 200 and "id" in said:
            where = f"channel {said['channel_id']}" if said.get("channel_id") else "no channel"
            yield Step("webhook", f"The webhook {said.get('name') or said['id']} posts to {where}.")
            return
        reason, detail = _judge_answer(response)
        if reason is Reason.BAD_CONFIG and detail:
            advice = "Make a new webhook in the channel's settings and enter its URL."
            yield Step("webhook", detail, response.duration, reason, advice)
            return
        yield status_step(request.method, response.status)


def _payload(params: DiscordParams) -> dict[str, Any]:
    payload: dict[str, Any] = {"allowed_mentions": {"parse": params.mentions}}
    if params.content.strip():
        payload["content"] = cut(params.content, MAX_CONTENT)
    if params.embeds:
        payload["embeds"] = write_embeds(params.embeds)
    if params.username.strip():
        payload["username"] = cut(params.username, _MAX_USERNAME)
    if params.avatar_url:
        payload["avatar_url"] = params.avatar_url
    if params.thread_name.strip():
        payload["thread_name"] = cut(params.thread_name, _MAX_THREAD_NAME)
    if params.silent:
        payload["flags"] = _SILENT
    return payload


def _judge_answer(response: Response) -> tuple[Reason, str]:
    """Return what an answer means, and a line about it; the line is empty where the status says it all."""
    said = read_object(response)
    reason = reason_for(response.status)
    if reason.is_ok:
        return reason, f"Discord took it as {said['id']}." if "id" in said else ""
    if said.get("code") in _NO_WEBHOOK:
        return Reason.BAD_CONFIG, f"HTTP {response.status}: {said.get('message')}."
    if "message" not in said:
        return reason, ""
    return reason, f"HTTP {response.status}: {said['message']} {_places(said.get('errors'))}".strip()


def _places(errors: Any, place: str = "") -> str:
    """Return what is wrong where, of a tree with ``_errors`` at its leaves."""
    if not isinstance(errors, dict):
        return ""
    found = errors.get("_errors")
    if isinstance(found, list):
        return "; ".join(f"{place}: {each.get('message')}" for each in found if isinstance(each, dict))
    below = (_places(value, f"{place}.{name}".lstrip(".")) for name, value in errors.items())
    return "; ".join(part for part in below if part)
