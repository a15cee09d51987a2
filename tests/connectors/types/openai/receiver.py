"""A chat endpoint of OpenAI's API, as the tests know it.

Source: platform.openai.com/docs/api-reference, "Create chat completion" and "The chat completion object".
"""

from collections.abc import Callable
from typing import Any

from connectors.types.openai.schemas import DEFAULT_MODEL
from tests.vendors import Answer, Call

KEY = "sk-proj-0123456789abcdef"
_FIELDS = {
    "model",
    "messages",
    "temperature",
    "max_completion_tokens",
    "max_tokens",
    "response_format",
    "seed",
    "reasoning_effort",
}


def completion(content: str | None, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-4.1-2025-04-14",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": None, "annotations": [], **message},
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": 19,
            "completion_tokens": 10,
            "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    }


def openai(answer: Answer) -> Callable[[Call], Answer]:
    def check(call: Call) -> Answer:
        assert call.method == "POST"
        assert call.path.endswith("/chat/completions")
        assert call.headers["content-type"] == "application/json"
        asked = call.json
        assert asked.keys() <= _FIELDS
        assert isinstance(asked["model"], str)
        assert asked["messages"]
        for said in asked["messages"]:
            assert said.keys() == {"role", "content"}
            assert said["role"] in {"system", "developer", "user", "assistant"}
            assert said["content"]
        assert 0 <= asked.get("temperature", 0) <= 2
        return answer

    return check


def openai_platform(call: Call) -> Answer:
    """List the model that the connector has unless told otherwise, and answer questions put to it."""
    if call.headers.get("authorization") != f"Bearer {KEY}":
        return Answer(401, {"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}})
    if (call.method, call.path) == ("GET", "/v1/models"):
        return Answer(200, {"object": "list", "data": [{"id": DEFAULT_MODEL, "object": "model"}]})
    return openai(Answer(200, completion("The oven is too hot. Look at its door first.")))(call)
