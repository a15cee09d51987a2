"""Block Kit: the limits that a message is held to before it is sent, and what keeps Slack from reading more into it.

Source: https://docs.slack.dev/reference/block-kit/composition-objects/text-object and
https://docs.slack.dev/reference/block-kit/blocks.
"""

from typing import Any, Final

from connectors.types.base import TemplateFormat, is_template
from connectors.types.conversations import BadMessage

_TEXT_OBJECTS: Final = frozenset({"mrkdwn", "plain_text"})
_MAX_TEXT: Final = 3000
_MAX_FIELD: Final = 2000
_MAX_HEADER: Final = 150
_MAX_MARKDOWN: Final = 12_000


def text_format(kind: object) -> TemplateFormat:
    """Return how values are escaped in the ``text`` of an object of this ``type``."""
    if kind == "mrkdwn" or (isinstance(kind, str) and is_template(kind)):
        return "slack"
    return "markdown" if kind == "markdown" else "text"


def finish_blocks(blocks: list[dict[str, Any]]) -> list[Any]:
    """Return the blocks as they are sent; raise BadMessage for a text that Slack would refuse as too long.

    Texts in mrkdwn are verbatim unless they say otherwise: nothing in them that looks like a URL, a channel or a group
    becomes a link or a mention.
    """
    return [_finish(block, f"blocks[{n}]", _most_within(block)) for n, block in enumerate(blocks)]


def _most_within(block: dict[str, Any]) -> int:
    return _MAX_HEADER if block.get("type") == "header" else _MAX_TEXT


def _finish(value: Any, place: str, most: int) -> Any:
    if isinstance(value, list):
        return [_finish(item, f"{place}[{n}]", most) for n, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    kind, text = value.get("type"), value.get("text")
    if isinstance(text, str) and kind in (*_TEXT_OBJECTS, "markdown"):
        limit = _MAX_MARKDOWN if kind == "markdown" else most
        if len(text) > limit:
            raise BadMessage(f"{place}.text has {len(text):,} characters; Slack takes {limit:,}.")
    finished = {
        name: _finish(item, f"{place}.{name}", _MAX_FIELD if name == "fields" else most) for name, item in value.items()
    }
    if kind == "mrkdwn":
        finished.setdefault("verbatim", True)
    return finished
