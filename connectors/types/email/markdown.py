"""A message in Markdown (CommonMark with tables) as the HTML and as the plain text of an email.

HTML in it is shown and not obeyed. Links lead to http, https and mailto addresses alone; images are links to look at.
"""

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

_LINK: Final = re.compile(r"(https?://|mailto:)", re.IGNORECASE)
_PAGE: Final = (
    '<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head>\n'
    '<body style="font-family: sans-serif; line-height: 1.5">\n{body}</body></html>\n'
)
_BLANKS: Final = re.compile(r"\n{3,}")


def is_link(url: str) -> bool:
    """Whether a message may link to this address."""
    return _LINK.match(url.strip()) is not None


def to_html(markdown: str, footer: str = "", footer_url: str = "") -> str:
    """Return the message as a page, with a footer below a line if there is one."""
    body = _renderer().render(markdown)
    if footer:
        text = escape(footer)
        linked = f'<a href="{escape(footer_url)}">{text}</a>' if footer_url else text
        body += f"<hr>\n<p>{linked}</p>\n"
    return _PAGE.format(body=body)


def to_text(markdown: str, footer: str = "", footer_url: str = "") -> str:
    """Return the message as text: no markup, the address of a link beside its words."""
    text = _BLANKS.sub("\n\n", _Writer().write(_renderer().parse(markdown))).strip("\n")
    if footer:
        text += f"\n\n-- \n{footer}{f': {footer_url}' if footer_url else ''}"
    return text + "\n"


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802  the library's name
        return is_link(url)


@cache
def _renderer() -> MarkdownIt:
    return _Markdown("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")


class _Writer:
    """Writes the tokens of a message as lines."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._lists: list[int | None] = []  # the next number of each open list, None for bullets
        self._marker = ""

    def write(self, tokens: Sequence[Token]) -> str:
        for token in tokens:
            self._write(token)
        return "".join(self._parts)

    def _write(self, token: Token) -> None:
        match token.type:
            case "inline":
                self._parts.append(self._indented(_words(token.children or [])))
            case "fence" | "code_block":
                self._parts.append(self._indented(token.content.rstrip("\n")) + "\n\n")
            case "paragraph_close":
                self._parts.append("\n" if token.hidden else "\n\n")
            case "heading_close":
                self._parts.append("\n\n")
            case "bullet_list_open":
                self._lists.append(None)
            case "ordered_list_open":
                self._lists.append(int(token.attrGet("start") or 1))
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
                self._parts.append("\n")
            case "list_item_open":
                self._begin_item()
            case "hr":
                self._parts.append("---\n\n")
            case "th_close" | "td_close":
                self._parts.append("\t")
            case "tr_close":
                self._parts.append("\n")
            case "table_close":
                self._parts.append("\n")

    def _begin_item(self) -> None:
        number = self._lists[-1]
        self._marker = "- " if number is None else f"{number}. "
        if number is not None:
            self._lists[-1] = number + 1

    def _indented(self, text: str) -> str:
        depth = "  " * len(self._lists)
        marker, self._marker = self._marker, ""
        first = f"{depth[2:]}{marker}" if marker else depth
        return first + text.replace("\n", f"\n{depth}")


def _words(tokens: Sequence[Token]) -> str:
    said: list[str] = []
    targets: list[tuple[int, str]] = []
    for token in tokens:
        match token.type:
            case "text" | "code_inline":
                said.append(token.content)
            case "softbreak" | "hardbreak":
                said.append("\n")
            case "link_open":
                targets.append((len(said), str(token.attrGet("href") or "")))
            case "link_close":
                start, target = targets.pop()
                shown = "".join(said[start:])
                if target not in (shown, f"mailto:{shown}"):
                    said.append(f" ({target})")
    return "".join(said)
