"""Cuts messages to Telegram's limit, which counts what is seen of them, and leaves their markup whole.

Source: https://core.telegram.org/bots/api#sendmessage, "1-4096 characters after entities parsing", and
https://core.telegram.org/bots/api#formatting-options. Telegram counts in UTF-16, as its entities do.
"""

import html
import re
from collections.abc import Callable, Iterator
from typing import Final

from connectors.types.telegram.schemas import ParseMode

MAX_TEXT: Final = 4096  # UTF-16 code units
_MARK: Final = "…"

_HTML: Final = re.compile(r"<(?P<end>/?)(?P<tag>[a-z][\w-]*)[^>]*>|&#?\w+;|.", re.DOTALL | re.IGNORECASE)
_MARKDOWN: Final = re.compile(r"\\.|(?P<url>\]\((?:\\.|[^)\\])*\))|(?P<mark>```|__|\|\||!?\[|[*_~`])|.", re.DOTALL)
_CODE: Final = frozenset({"`", "```"})
# A piece of the source, how much of it is seen, and what has to follow for the markup to be whole if nothing else does;
# None where it cannot be made whole here.
_Piece = tuple[str, int, str | None]


def cut_message(text: str, mode: ParseMode) -> str:
    """Return the text if Telegram takes it, else its beginning with "…", markup closed."""
    if _width(text) <= MAX_TEXT:
        return text
    seen = read = end = 0
    closing: str = ""
    for source, width, to_close in _READERS[mode](text):
        seen += width
        read += len(source)
        if seen > MAX_TEXT:
            return f"{text[:end]}{_MARK}{closing}"
        if seen <= MAX_TEXT - len(_MARK) and to_close is not None:
            end, closing = read, to_close
    return text


def _width(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _read_plain(text: str) -> Iterator[_Piece]:
    for character in text:
        yield character, _width(character), ""


def _read_html(text: str) -> Iterator[_Piece]:
    opened: list[str] = []
    for found in _HTML.finditer(text):
        tag = found["tag"]
        if tag is None:
            yield found[0], _width(html.unescape(found[0])), _closing_tags(opened)
            continue
        if not found["end"]:
            opened.append(tag)
        elif opened and opened[-1].lower() == tag.lower():
            opened.pop()
        yield found[0], 0, _closing_tags(opened)


def _closing_tags(opened: list[str]) -> str:
    return "".join(f"</{tag}>" for tag in reversed(opened))


def _read_markdown(text: str) -> Iterator[_Piece]:
    opened: list[str] = []
    for found in _MARKDOWN.finditer(text):
        mark, source = found["mark"], found[0]
        in_code = bool(opened) and opened[-1] in _CODE
        if mark is not None and opened and opened[-1] == mark:
            opened.pop()
        elif mark is not None and not in_code:
            opened.append(mark)
        elif found["url"] is not None and opened and opened[-1].endswith("["):
            opened.pop()
        else:
            seen = source[1:] if source.startswith("\\") else source
            yield source, _width(seen), _closing_marks(opened)
            continue
        yield source, 0, _closing_marks(opened)


def _closing_marks(opened: list[str]) -> str | None:
    if any(mark.endswith("[") for mark in opened):
        return None  # where the link leads is not known yet
    # Telegram skips the carriage return, which tells _ from __.
    return "\r".join(reversed(opened))


_READERS: Final[dict[ParseMode, Callable[[str], Iterator[_Piece]]]] = {
    "HTML": _read_html,
    "MarkdownV2": _read_markdown,
    "none": _read_plain,
}
