"""A message that is too long for Telegram is cut so that its markup still parses.

Source: core.telegram.org/bots/api: "sendMessage" and "Formatting options".
"""

import html
import re
from html.parser import HTMLParser
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions.escaping import escape_telegram_html, escape_telegram_markdown
from connectors.types.telegram.cutting import MAX_TEXT, cut_message
from connectors.types.telegram.schemas import ParseMode

# One and two UTF-16 code units, what is markup somewhere, and lines.
words = st.text(alphabet="ab é\U0001f525<&_*[]()~`>#+-=|{}.!\\\n", min_size=1, max_size=40)


def width(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


class Tags(HTMLParser):
    """Asserts that tags are closed in the order in which they were opened, and keeps the text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.opened: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.opened

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("mode", get_args(ParseMode))
@pytest.mark.parametrize("text", ["x", "x" * MAX_TEXT, "\U0001f525" * (MAX_TEXT // 2)])
def test_what_telegram_takes_stays_as_it_is(mode: ParseMode, text: str) -> None:
    assert cut_message(text, mode) == text


def test_markup_does_not_count() -> None:
    assert cut_message(f"<b>{'x' * MAX_TEXT}</b>", "HTML") == f"<b>{'x' * MAX_TEXT}</b>"
    assert cut_message("&amp;" * MAX_TEXT, "HTML") == "&amp;" * MAX_TEXT
    assert cut_message(f"*{'.'.join(['x'] * 2000)}*".replace(".", r"\."), "MarkdownV2").endswith("x*")
    link = f"[{'x' * 4000}](https://a.test/{'y' * 500})"
    assert cut_message(link, "MarkdownV2") == link


@settings(deadline=None, max_examples=40)
@given(parts=st.lists(words, min_size=1, max_size=8), times=st.integers(1, 300))
def test_cut_html_is_well_formed_and_as_long_as_it_may_be(parts: list[str], times: int) -> None:
    piece = "".join(f'<b>{escape_telegram_html(part)}<a href="https://a.test/?a&amp;b">x</a></b>' for part in parts)
    whole, cut = Tags(piece * times), Tags(cut_message(piece * times, "HTML"))
    assert width(cut.text) <= MAX_TEXT
    if width(whole.text) > MAX_TEXT:
        assert cut.text.endswith("…")
        assert whole.text.startswith(cut.text[:-1])
        assert width(cut.text) >= MAX_TEXT - 2
    else:
        assert cut.text == whole.text


@settings(deadline=None, max_examples=40)
@given(parts=st.lists(words, min_size=1, max_size=8), times=st.integers(1, 300))
def test_cut_markdown_closes_what_it_opened(parts: list[str], times: int) -> None:
    piece = "".join(
        f"*{escape_telegram_markdown(part)}* __u _i_\r__ ||s|| `c` ```\nd``` [{escape_telegram_markdown(part)}](https://a.test/\\)x)"
        for part in parts
    )
    cut = cut_message(piece * times, "MarkdownV2")
    left = re.sub(r"\\.", "", cut, flags=re.DOTALL)
    assert all(left.count(mark) % 2 == 0 for mark in ("*", "__", "||", "```"))
    assert left.count("[") == left.count("](") == left.count(")")
    seen = re.sub(r"\]\((?:\\.|[^)\\])*\)|\\|[*_~`\r\[]|\|\|", "", cut)
    assert width(seen) <= MAX_TEXT


def test_a_link_that_does_not_fit_is_left_out_whole() -> None:
    cut = cut_message("x" * 4000 + f" *b [{'y' * 200}](https://a.test) z*", "MarkdownV2")
    assert cut == "x" * 4000 + " *b …*"


def test_marks_that_telegram_would_misread_are_told_apart() -> None:
    assert cut_message("__u _" + "x" * 5000 + "_\r__", "MarkdownV2").endswith("…_\r__")


def test_code_holds_no_other_marks() -> None:
    assert cut_message("`*_[" + "x" * 5000 + "`", "MarkdownV2").endswith("x…`")
    assert cut_message("```\n*_[`" + "x" * 5000 + "```", "MarkdownV2").endswith("x…```")


def test_an_entity_is_not_split() -> None:
    cut = cut_message("x" * 4094 + html.escape("<<<<"), "HTML")
    assert cut == "x" * 4094 + "&lt;…"
