"""What stands in an event stays text in the system that it is sent to."""

import html
import re
import string
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from actions.escaping import (
    ESCAPES,
    escape_discord,
    escape_markdown,
    escape_slack,
    escape_telegram,
    escape_telegram_html,
    escape_telegram_markdown,
)
from actions.templating import compile_params
from connectors.types.base import TemplateFormat

ZERO_WIDTH: Final = "\u200b"
# Signs with a meaning somewhere, and what they may make together.
pieces = (
    st.sampled_from(string.punctuation)
    | st.sampled_from(
        [" ", "\n", "    ", "\t", "a", "1", "é", "x_y", "@everyone", "@here", "<!channel>", "<@U024BE7LH>"]
    )
    | st.sampled_from(
        ["https://evil.test/a?b=c&d", "[x](https://evil.test)", "```", "**", "||", "&lt;", "1. ", "===", "-# "]
    )
)
texts = st.lists(pieces, max_size=20).map("".join) | st.text(max_size=30)


@given(text=texts)
def test_slack_reads_no_markup_in_a_value(text: str) -> None:
    escaped = escape_slack(text)
    assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", escaped)
    assert html.unescape(escaped).replace(ZERO_WIDTH, "") == text.replace(ZERO_WIDTH, "")
    assert not re.search(r"^\s*&gt;", escaped, re.MULTILINE)
    # Slack formats where a sign stands at the edge of a word: none does.
    for mark in re.finditer(r"[*_~`]", escaped):
        around = escaped[max(mark.start() - 1, 0) : mark.start()], escaped[mark.end() : mark.end() + 1]
        assert all(side == ZERO_WIDTH or side.isalnum() or side == "_" for side in around)


def test_names_with_underscores_can_be_copied_out_of_slack() -> None:
    assert escape_slack("disk_usage_high on web-1: 3 < 5 & 7") == "disk_usage_high on web-1: 3 &lt; 5 &amp; 7"


@given(text=texts.filter(lambda text: not re.search(r"[\0\r]|\s\Z|\A\s|[^\S \n\t]|\n\s*\n| \n", text)))
def test_markdown_shows_a_value_as_it_is(text: str) -> None:
    """CommonMark itself is the judge."""
    rendered = MarkdownIt("commonmark").render(f"Before {escape_markdown(text)} after")
    shown = html.unescape(re.sub(r"\A<p>|</p>\n\Z", "", rendered))
    assert shown.replace("\u00a0", " ") == f"Before {text} after".expandtabs(4) or "\t" in text
    assert not re.search(r"<(?!/?p>)", rendered)


@given(text=texts)
def test_no_value_adds_markup_to_markdown(text: str) -> None:
    rendered = MarkdownIt("commonmark").render(escape_markdown(text))
    assert not re.search(r"<(?!/?p>|br />)", rendered)


def test_an_indent_in_markdown_is_kept_and_is_no_code() -> None:
    assert (
        escape_markdown("Traceback\n\n    at x\n\tat y")
        == "Traceback\n\n" + "\u00a0" * 4 + "at x\n" + "\u00a0" * 4 + "at y"
    )


@given(text=texts)
def test_discord_reads_no_markup_in_a_value(text: str) -> None:
    escaped = escape_discord(text)
    assert re.sub(r"\\([^0-9A-Za-z\s])", r"\1", escaped).replace(ZERO_WIDTH, "") == text.replace(ZERO_WIDTH, "")
    # Discord skips a backslash with the sign that it is before.
    left = re.sub(r"\\[^0-9A-Za-z\s]", "x", escaped)
    assert not re.search(r"[*_~`|<\[\]\\]|://|@(?!\u200b)", left)
    assert not re.search(r"^\s*([>#+\-]|\d+\.\s)", left, re.MULTILINE)


@given(left=texts, right=texts)
def test_two_values_side_by_side_mention_nobody_in_discord(left: str, right: str) -> None:
    together = escape_discord(left) + escape_discord(right)
    assert not re.search(r"@(everyone|here|[!&]?\d)", together)
    assert "://" not in re.sub(r"\\[^0-9A-Za-z\s]", "", together)


@given(left=texts, right=texts)
def test_two_values_side_by_side_mention_nobody_in_telegram(left: str, right: str) -> None:
    together = escape_telegram(left) + escape_telegram(right)
    assert not re.search(r"(?<!\w)@\w", together)


@given(text=texts)
def test_telegram_reads_no_tag_in_a_value(text: str) -> None:
    escaped = escape_telegram_html(text)
    assert not re.search("[<>\"']", escaped)
    # The named entities that Telegram knows, and numeric ones.
    assert not re.search(r"&(?!(lt|gt|amp|quot|#x27);)", escaped)
    assert html.unescape(escaped) == escape_telegram(text)


@given(text=texts)
def test_telegram_reads_no_markdown_in_a_value(text: str) -> None:
    escaped = escape_telegram_markdown(text)
    assert re.sub(r"\\([\x01-\x7e])", r"\1", escaped) == escape_telegram(text)
    assert not re.search(r"[_*\[\]()~`>#+\-=|{}.!\\]", re.sub(r"\\[\x01-\x7e]", "", escaped))


def test_a_url_in_telegram_leads_where_it_did() -> None:
    assert escape_telegram("see https://medium.test/@me?a=b#c") == "see https://medium.test/%40me?a=b#c"
    assert escape_telegram("mail ops@example.com") == "mail ops@example.com"
    assert escape_telegram("thanks @ops") == f"thanks @{ZERO_WIDTH}ops"


@pytest.mark.parametrize("form", ESCAPES)
def test_a_template_escapes_values_and_leaves_what_its_author_wrote(form: TemplateFormat) -> None:
    context: dict[str, Any] = {"event": {"x": "<*_[@here", "n": 1, "list": ["*"]}}
    template = (
        "*Hot* <!here> {{ event.x }} {{ event.x ~ '!' }} {{ event.n }}{% for x in event.list %}{{ x }}{% endfor %}"
    )
    escape = ESCAPES[form]
    expected = f"*Hot* <!here> {escape('<*_[@here')} {escape('<*_[@here!')} 1{escape('*')}"
    assert compile_params({"text": template}, lambda _: form).render(context)["text"] == expected
    assert compile_params({"text": "{{ event.x }}"}, lambda _: form).render(context)["text"] == escape("<*_[@here")


def test_what_stands_within_an_object_may_have_a_format_of_its_own() -> None:
    def nested(field: str, holder: Any, key: str) -> TemplateFormat | None:
        return "slack" if (field, key, holder.get("type")) == ("blocks", "text", "mrkdwn") else None

    blocks = [
        {"type": "section", "text": {"type": "mrkdwn", "text": "{{ event.x }}"}, "fields": ["{{ event.x }}"]},
        {"type": "header", "text": {"type": "plain_text", "text": "{{ event.x }}"}},
    ]
    compiled = compile_params({"blocks": blocks, "other": blocks}, lambda _: "text", nested_format=nested)
    rendered = compiled.render({"event": {"x": "<a>"}})
    assert rendered["blocks"][0]["text"]["text"] == "&lt;a&gt;"
    assert rendered["blocks"][0]["fields"] == ["<a>"]
    assert rendered["blocks"][1]["text"]["text"] == "<a>"
    assert rendered["other"][0]["text"]["text"] == "<a>"
