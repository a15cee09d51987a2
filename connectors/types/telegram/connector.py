"""The Telegram connector type: messages through the Bot API's sendMessage.

Sources: https://core.telegram.org/bots/api, "Making requests" (what an answer says), "sendMessage" and
"ResponseParameters" (how long to wait, and where a group went). The token is part of every address.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from connectors.net.exchange import Failure, Request, Response
from connectors.outcomes import Reason
from connectors.steps import Step
from connectors.types.answers import RESULTS, reason_for, wait_of
from connectors.types.base import Message, TemplateFormat
from connectors.types.conversations import BadMessage
from connectors.types.http_api import Exchange, HttpApiType
from connectors.types.http_probe import CHECKS, status_step
from connectors.types.sites import Site, read_object
from connectors.types.telegram.cutting import cut_message
from connectors.types.telegram.schemas import CHAT, TelegramConfig, TelegramParams, TelegramSecrets

_MAX_ANSWER: Final = 1024 * 1024  # bytes: Telegram sends the whole message back, with an object for each format
_FORMATS: Final[Mapping[str, TemplateFormat]] = {
    "HTML": "telegram_html",
    "MarkdownV2": "telegram_markdown",
    "none": "telegram",
}
_TOO_LONG: Final = "message is too long"
_NOT_TELEGRAM: Final = "The answer is not one of Telegram's. Check the address, and what stands between."

TelegramSite = Site[TelegramConfig, TelegramSecrets]


class TelegramConnectorType(HttpApiType[TelegramConfig, TelegramSecrets, TelegramParams]):
    """Sends messages to chats, groups and channels."""

    id = "telegram"
    name = "Telegram"
    description = "Sends messages to chats, groups and channels of Telegram through a bot."
    categories = ("messaging",)
    icon = "send"
    checks = {
        **CHECKS,
        "authenticate": "Telegram knows the token.",
        "chat": "The bot sees the connector's chat.",
    }
    results = {
        **RESULTS,
        "a token that Telegram refuses": Reason.BAD_CONFIG,
        "a text that Telegram calls too long": Reason.TOO_LARGE,
    }
    config_model = TelegramConfig
    secrets_model = TelegramSecrets
    params_model = TelegramParams

    def base_url(self, config: TelegramConfig, secrets: TelegramSecrets) -> str:
        if not secrets.token:
            return config.api_url
        return f"{config.api_url.removesuffix('/')}/bot{_in_address(secrets.token.get_secret_value())}"

    def derived_secrets(self, config: TelegramConfig, secrets: TelegramSecrets) -> list[str]:
        if not secrets.token:
            return []
        token = secrets.token.get_secret_value()
        # Before the colon stands the bot's public number.
        return [_in_address(token), token.partition(":")[2]]

    def missing_secrets(self, config: TelegramConfig, secrets: TelegramSecrets) -> list[str]:
        return [] if secrets.token else ["token"]

    def template_format(self, config: TelegramConfig, params: dict[str, Any], field: str) -> TemplateFormat:
        return _FORMATS.get(str(params.get("parse_mode")), "telegram") if field == "text" else "text"

    def default_params(self) -> dict[str, Any]:
        return {"text": "{{ event.type }} from {{ event.source }}"}

    def converse(self, site: TelegramSite, message: Message[TelegramParams]) -> Exchange:
        payload = _payload(site.config, message.params)
        request = site.request("POST", "sendMessage", json=payload, message=message, max_body=_MAX_ANSWER)
        result = yield request
        if isinstance(result, Failure):
            return site.outcome(message, request, result)
        reason, detail = _judge_answer(result)
        outcome = site.outcome(message, request, result, reason=reason, detail=detail)
        wait = wait_of(_parameters(result).get("retry_after"))
        return replace(outcome, retry_after=wait) if wait is not None and not reason.is_ok else outcome

    def probe_request(self, site: TelegramSite) -> Request:
        return site.request("GET", "getMe")

    def judge(self, site: TelegramSite, request: Request, response: Response) -> Iterator[Step]:
        bot = _found(response)
        if bot is None:
            yield _refused("authenticate", request, response, "Enter the token that @BotFather shows for the bot.")
            return
        yield Step("authenticate", f"The token belongs to @{bot.get('username', 'a bot')}.")
        if not (chat_id := site.config.chat_id):
            return
        request = site.request("GET", "getChat", query={"chat_id": chat_id})
        result = site.ask(request)
        if isinstance(result, Failure):
            yield Step("chat", result.detail, result.duration, result.reason, "Try again.")
            return
        chat = _found(result)
        if chat is None:
            advice = "Correct the chat, add the bot to it, or write to the bot first."
            yield _refused("chat", request, result, advice)
            return
        name = chat.get("title") or chat.get("username") or chat.get("first_name") or chat_id
        yield Step("chat", f"Messages go to the {chat.get('type', 'chat')} {name}.", result.duration)


def _in_address(token: str) -> str:
    return quote(token, safe=":")


def _payload(config: TelegramConfig, params: TelegramParams) -> dict[str, Any]:
    chat_id = params.chat_id or config.chat_id
    if not chat_id:
        raise BadMessage("chat_id is empty, and the connector names no chat.")
    if not CHAT.fullmatch(chat_id):
        raise BadMessage(f"chat_id is {chat_id!r}; it must be a number, or the name of a channel with its @.")
    payload: dict[str, Any] = {
        "chat_id": chat_id,
        "text": cut_message(params.text, params.parse_mode),
        "link_preview_options": {"is_disabled": not params.previews},
        "disable_notification": params.silent,
    }
    if params.parse_mode != "none":
        payload["parse_mode"] = params.parse_mode
    if params.message_thread_id:
        payload["message_thread_id"] = _number("message_thread_id", params.message_thread_id)
    if params.reply_to_message_id:
        message_id = _number("reply_to_message_id", params.reply_to_message_id)
        payload["reply_parameters"] = {"message_id": message_id, "allow_sending_without_reply": True}
    return payload


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise BadMessage(f"{name} is {value!r}; it must be a number.")
    return int(value)


def _found(response: Response) -> dict[str, Any] | None:
    """Return what an answer has found; None when it has not."""
    said = read_object(response)
    result = said.get("result")
    return result if said.get("ok") is True and isinstance(result, dict) else None


def _parameters(response: Response) -> dict[str, Any]:
    found = read_object(response).get("parameters")
    return found if isinstance(found, dict) else {}


def _judge_answer(response: Response) -> tuple[Reason, str]:
    """Return what an answer means, and a line about it; the line is empty where the status says it all."""
    taken = _found(response)
    if taken is not None and response.status == 200:
        as_what = f" as message {taken['message_id']}" if "message_id" in taken else ""
        return Reason.OK, f"Telegram took it{as_what}."
    reason = reason_for(response.status)
    if reason.is_ok:
        return Reason.RETRY_HTTP_5XX, _NOT_TELEGRAM
    description = read_object(response).get("description")
    if not isinstance(description, str):
        return reason, ""
    detail = f"Telegram refused: {description}."
    if response.status in (401, 404):
        return Reason.BAD_CONFIG, f"{detail} Enter another bot token."
    if _TOO_LONG in description:
        return Reason.TOO_LARGE, detail
    if moved := _parameters(response).get("migrate_to_chat_id"):
        return reason, f"{detail} Use the chat {moved}."
    return reason, detail


def _refused(name: str, request: Request, response: Response, advice: str) -> Step:
    reason, detail = _judge_answer(response)
    if not detail or reason is Reason.RETRY_429:
        return replace(status_step(request.method, response.status), name=name)
    reason = reason if reason.is_retry else Reason.BAD_CONFIG
    return Step(name, detail, response.duration, reason, advice)
