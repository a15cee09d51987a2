"""What the chat endpoint's answers mean, and what of them becomes an event.

Sources: OpenAI, "The chat completion object" and "Error codes"; Azure OpenAI, "Content filtering". An error is
``{"error": {"message", "type", "code"}}``; other servers leave out some of it.
"""

from http import HTTPStatus
from typing import Any, Final

import orjson

from connectors.net.exchange import Response
from connectors.outcomes import MAX_ANSWER, Reason
from connectors.types.answers import clean
from connectors.types.masking import Masker
from connectors.types.openai.schemas import OpenAiParams
from connectors.types.sites import read_object
from spaces.errors import InvalidInput
from spaces.validation import check_storable

MAX_READ: Final = 256 * 1024  # bytes of an answer
_USAGE: Final = ("prompt_tokens", "completion_tokens", "total_tokens")
# No pause helps: somebody has to pay.
_OUT_OF_MONEY: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_TOO_LONG: Final = frozenset({"context_length_exceeded", "string_above_max_length"})


def judge_error(response: Response) -> tuple[Reason | None, str]:
    """Return what an answer that is none of a model means, None for what its status says, and a line for a person."""
    error = _error(response)
    codes = {str(error.get("code")), str(error.get("type"))}
    said = f"HTTP {response.status}: {error.get('message') or 'no message'}"
    if kind := error.get("code") or error.get("type"):
        said += f" ({kind})"
    if codes & _OUT_OF_MONEY:
        return Reason.PERMANENT_4XX, said
    if codes & _TOO_LONG or response.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Reason.TOO_LARGE, said
    return None, said if error else ""


def read_answer(response: Response, params: OpenAiParams, masker: Masker) -> dict[str, Any] | None:
    """Return what the model said as it stands in an event, at most MAX_ANSWER bytes; None when it said nothing.

    ``text``, ``model``, ``finish_reason`` and ``usage`` are always there, ``json`` where it was asked for and is some,
    ``refusal`` where the model refused. ``is_cut`` says whether something was left out.
    """
    said = read_object(response)
    choices = said.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = choice.get("message")
    if not isinstance(message, dict):
        return None
    text = clean(_text(message.get("content")), masker)
    usage = said.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    answer: dict[str, Any] = {
        "text": text,
        "model": clean(_text(said.get("model")), masker)[:256],
        "finish_reason": clean(_text(choice.get("finish_reason")), masker)[:64],
        "usage": {name: counts[name] for name in _USAGE if isinstance(counts.get(name), int)},
        "is_cut": False,
    }
    if refusal := clean(_text(message.get("refusal")), masker):
        answer["refusal"] = refusal[:2048]
    if params.asks_for_json and (parsed := _parse(text)) is not None:
        answer["json"] = parsed
    return _fit(answer)


def _fit(answer: dict[str, Any]) -> dict[str, Any]:
    while (excess := len(orjson.dumps(answer)) - MAX_ANSWER) > 0:
        answer.pop("json", None)
        answer["is_cut"] = True
        text = answer["text"]
        answer["text"] = text[: min(len(text) - excess // 6 - 1, MAX_ANSWER)]
    return answer


def _parse(text: str) -> Any:
    """Return the JSON that a text is; None when it is none, or none that may be stored."""
    try:
        found = orjson.loads(text)
        check_storable({"json": found}, "")
    except (orjson.JSONDecodeError, InvalidInput):
        return None
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _error(response: Response) -> dict[str, Any]:
    said = read_object(response)
    error = said.get("error", said)
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) and ("message" in error or "code" in error) else {}
