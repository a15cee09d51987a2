"""The Slack connector type.

With a bot token, through chat.postMessage (https://docs.slack.dev/reference/methods/chat.postMessage): Slack answers
200 and says in the body whether it took the message. With a webhook
(https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks): the body is ``ok``, or the error.
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
from connectors.types.http_probe import CHECKS, status_step
from connectors.types.sites import Site, read_object
from connectors.types.slack.blocks import finish_blocks, text_format
from connectors.types.slack.errors import judge_error, judge_webhook_error
from connectors.types.slack.schemas import MAX_CHANNELS, SlackConfig, SlackParams, SlackSecrets

MAX_TEXT: Final = 40_000  # characters; Slack cuts longer texts itself, without a word
_MAX_ANSWER: Final = 1024 * 1024  # bytes: Slack sends the whole message back
_JSON: Final = {"content-type": "application/json; charset=utf-8"}
_CHANNEL_ID: Final = re.compile(r"[CG][A-Z0-9]{7,}")
_MOST_ASKED: Final = 5  # channels that a test looks up
_NOT_SLACK: Final = "The answer is not one of Slack's. Check the address, and what stands between."

SlackSite = Site[SlackConfig, SlackSecrets]


class SlackConnectorType(HttpApiType[SlackConfig, SlackSecrets, SlackParams]):
    """Posts messages to channels."""

    id = "slack"
    name = "Slack"
    description = "Posts messages to Slack, as text or as Block Kit, with a bot token or a webhook."
    categories = ("messaging",)
    icon = "tag"
    kibana_id = ".slack_api"
    checks = {
        **CHECKS,
        "authenticate": "Slack knows a bot's token.",
        "channels": "A bot's channels that are named by ID are there and not archived; five of them are looked up.",
        "webhook": "Nothing: a webhook can be asked nothing without a message.",
    }
    results = {
        **RESULTS,
        "a bot's token that Slack refuses, or a webhook that is gone": Reason.BAD_CONFIG,
        "a text that Slack calls too long": Reason.TOO_LARGE,
        "any other error that Slack names": Reason.PERMANENT_4XX,
    }
    config_model = SlackConfig
    secrets_model = SlackSecrets
    params_model = SlackParams

    @property
    def kibana_ids(self) -> tuple[str, ...]:
        return (self.kibana_id, ".slack")

    def base_url(self, config: SlackConfig, secrets: SlackSecrets) -> str:
        if config.method == "bot":
            return config.api_url
        return secrets.webhook_url.get_secret_value() if secrets.webhook_url else ""

    def headers(self, config: SlackConfig, secrets: SlackSecrets) -> Mapping[str, str]:
        if config.method == "webhook" or not secrets.token:
            return {}
        return {"authorization": f"Bearer {secrets.token.get_secret_value()}"}

    def missing_secrets(self, config: SlackConfig, secrets: SlackSecrets) -> list[str]:
        needed = "token" if config.method == "bot" else "webhook_url"
        return [] if getattr(secrets, needed) else [needed]

    def template_format(self, config: SlackConfig, params: dict[str, Any], field: str) -> TemplateFormat:
        return "slack" if field == "text" else "text"

    def nested_format(self, field: str, holder: Mapping[str, Any], key: str) -> TemplateFormat | None:
        return text_format(holder.get("type")) if key == "text" else "text"

    def default_params(self) -> dict[str, Any]:
        return {"text": "{{ event.type }} from {{ event.source }}"}

    def adopt_as(self, kibana_id: str, config: Mapping[str, Any]) -> Adopted:
        if kibana_id == ".slack":
            return Adopted({"method": "webhook"}, ("webhook_url",))
        channels = config.get("allowedChannels")
        named = [each for each in channels if isinstance(each, dict)] if isinstance(channels, list) else []
        allowed = [str(each[key]) for each in named for key in ("id", "name") if each.get(key)]
        kept = list(dict.fromkeys(allowed))[:MAX_CHANNELS]
        return Adopted({"method": "bot", "allowed_channels": kept}, ("token",))

    def converse(self, site: SlackSite, message: Message[SlackParams]) -> Exchange:
        payload = _payload(message.params)
        if site.config.method == "webhook":
            return (yield from _to_webhook(site, message, payload))
        channel = message.params.channel or site.config.channel
        if not channel:
            raise BadMessage("channel is empty, and the connector names none.")
        if not site.config.allows(channel):
            raise BadMessage(f"channel is {channel!r}, which is not among the connector's allowed channels.")
        # Without this, Slack makes links of what looks like one.
        payload |= {"channel": channel, "parse": "none"}
        request = site.request(
            "POST", "chat.postMessage", json=payload, headers=_JSON, message=message, max_body=_MAX_ANSWER
        )
        result = yield request
        if isinstance(result, Failure):
            return site.outcome(message, request, result)
        reason, detail = _judge_answer(result)
        return site.outcome(message, request, result, reason=reason, detail=detail)

    def probe_request(self, site: SlackSite) -> Request:
        if site.config.method == "webhook":
            return site.host_request()
        return site.request("POST", "auth.test", body=b"")

    def judge(self, site: SlackSite, request: Request, response: Response) -> Iterator[Step]:
        if site.config.method == "webhook":
            yield Step("webhook", "A webhook can be asked nothing: whether it posts shows with the first message.")
            return
        said = read_object(response)
        if said.get("ok") is not True:
            yield _refused("authenticate", response)
            return
        who, where = said.get("user", "a bot"), said.get("team", "a workspace")
        yield Step("authenticate", f"The token belongs to {who} in {where}.")
        if channels := _channels_to_ask(site.config):
            yield _ask_channels(site, channels)


def _payload(params: SlackParams) -> dict[str, Any]:
    payload: dict[str, Any] = {"unfurl_links": params.unfurl, "unfurl_media": params.unfurl}
    if params.text.strip():
        payload["text"] = cut(params.text, MAX_TEXT)
    if params.blocks:
        payload["blocks"] = finish_blocks(params.blocks)
    if params.thread_ts:
        payload["thread_ts"] = params.thread_ts
    return payload


def _to_webhook(site: SlackSite, message: Message[SlackParams], payload: dict[str, Any]) -> Exchange:
    if message.params.channel:
        raise BadMessage("channel is set, but a webhook posts to the channel that it was made for: leave it empty.")
    request = site.request("POST", json=payload, message=message)
    result = yield request
    if isinstance(result, Failure):
        return site.outcome(message, request, result)
    text = result.body.decode("utf-8", "replace").strip()
    if result.status == 200:
        is_taken = text == "ok" and not result.is_cut
        reason, detail = (Reason.OK, "Slack took it.") if is_taken else (Reason.RETRY_HTTP_5XX, _NOT_SLACK)
        return site.outcome(message, request, result, reason=reason, detail=detail)
    if verdict := judge_webhook_error(text):
        return site.outcome(message, request, result, reason=verdict[0], detail=verdict[1])
    detail = f"HTTP {result.status}: {text}" if text and not result.is_cut else ""
    return site.outcome(message, request, result, detail=detail)


def _judge_answer(response: Response) -> tuple[Reason, str]:
    """Return what the Web API's answer means, and a line about it; the line is empty where the status says it all."""
    said = read_object(response)
    if said.get("ok") is True:
        as_what = f" as {said['ts']}" if said.get("ts") else ""
        where = f" in {said['channel']}" if said.get("channel") else ""
        return Reason.OK, f"Slack took it{as_what}{where}."
    if said.get("ok") is False and "error" in said and (response.status < 500):
        return judge_error(said)
    reason = reason_for(response.status)
    return (Reason.RETRY_HTTP_5XX, _NOT_SLACK) if reason.is_ok else (reason, "")


def _refused(name: str, response: Response) -> Step:
    reason, detail = _judge_answer(response)
    if reason is Reason.RETRY_429:
        return Step(name, "Slack answers, and asks for fewer requests.", advice="Deliveries wait as it says.")
    if not detail:
        return status_step("POST", response.status)
    if reason is Reason.PERMANENT_4XX:
        reason = Reason.BAD_CONFIG
    advice = "Check the token in the app's settings, under OAuth & Permissions."
    if reason.is_retry:
        advice = "Try again later; https://slack-status.com tells of outages."
    return Step(name, detail, response.duration, reason, advice)


def _channels_to_ask(config: SlackConfig) -> list[str]:
    """Return the channels named by ID; Slack tells nothing about one by its name."""
    named = [name for name in (config.channel, *config.allowed_channels) if _CHANNEL_ID.fullmatch(name)]
    return list(dict.fromkeys(named))[:_MOST_ASKED]


def _ask_channels(site: SlackSite, channels: list[str]) -> Step:
    names, uninvited = [], []
    for channel in channels:
        result = site.ask(site.request("GET", "conversations.info", query={"channel": channel}))
        if isinstance(result, Failure):
            return Step("channels", result.detail, result.duration, result.reason, "Try again.")
        said = read_object(result)
        if said.get("error") in ("missing_scope", "ratelimited"):
            why = "the token lacks the scope channels:read" if said["error"] == "missing_scope" else "Slack is busy"
            return Step("channels", f"The channels were not looked up: {why}.")
        found = said.get("channel")
        if not isinstance(found, dict):
            detail = f"Slack has no channel {channel} for this token: {said.get('error', 'no error told')}."
            return Step("channels", detail, reason=Reason.BAD_CONFIG, advice="Correct the ID, or invite the bot.")
        name = f"#{found.get('name', channel)}"
        if found.get("is_archived"):
            return Step("channels", f"{name} is archived.", reason=Reason.BAD_CONFIG, advice="Take another channel.")
        names.append(name)
        if found.get("is_member") is False:
            uninvited.append(name)
    advice = f"The bot is no member of {', '.join(uninvited)}: invite it, or give it chat:write.public."
    return Step("channels", f"Slack knows {', '.join(names)}.", advice=advice if uninvited else "")
