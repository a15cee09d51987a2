"""Text in a Markdown field is shown as it stands: what an event says is no markup."""

import re
from html import unescape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.actions.templates import render

# With HTML on and every extension: the most that a renderer may make of it.
RENDERER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
TAG = re.compile(r"<[^>]*>")


def shown(template: str, text: str) -> str:
    """Return the HTML of a template that shows ``text``."""
    html = RENDERER.render(render(template, "commonmark", {"event": {"text": text}}))
    assert isinstance(html, str)
    return html


@pytest.mark.parametrize(
    "text",
    [
        "**bold** _x_ `code` ~~gone~~",
        "[click](javascript:alert(1)) <https://evil.example> ![x](https://evil.example/pixel)",
        "<img src=x onerror=alert(1)> &lt;b&gt;",
        "# heading",
        "title\n===\n",
        "- item\n* item\n1. item\n1) item\n\n    code\n\n> quote\n\n---\n\n```\ncode\n```",
        "\n\n\n    code after nothing",
        "\tindented",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "[ref]: https://evil.example\n\n[ref]",
        "ends with a backslash \\",
        "\\*not escaped twice\\*",
    ],
)
def test_what_an_event_says_is_no_markup(text: str) -> None:
    for template in ("{{ event.text }}", "It says: {{ event.text }}{# by the engine #}"):
        html = shown(template, text)
        assert set(re.findall(r"<(\w+)", html)) <= {"p", "br"}, html
        assert squeezed(text) in squeezed(unescape(TAG.sub("", html)))


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t"), max_size=60))
@example("\n")
@example("&#32;")
def test_no_text_at_all_is_markup(text: str) -> None:
    html = shown("before {{ event.text }} after", text)
    assert set(re.findall(r"<(\w+)", html)) <= {"p", "br"}, html
    assert squeezed(unescape(TAG.sub("", html))) == squeezed(f"before {text} after")


def test_lines_stay_lines() -> None:
    assert shown("{{ event.text }}", "one\ntwo") == "<p>one<br />\ntwo</p>\n"


def test_what_is_no_text_is_escaped_as_well() -> None:
    assert render("{{ event.text }}", "commonmark", {"event": {"text": ["_a_", 1.5]}}) == r"\[\"\_a\_\"\,1\.5\]"


def test_the_template_itself_keeps_its_markup() -> None:
    assert shown("**{{ event.text }}**", "a*b") == "<p><strong>a*b</strong></p>\n"


def squeezed(text: str) -> str:
    """Leave out white space, which HTML does not tell apart."""
    return "".join(text.split())
