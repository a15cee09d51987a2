"""What stands in an event stays text in Jira's wiki markup and in ServiceNow's journal fields.

Jira's renderer is Atlassian's wiki renderer: a backslash stops these signs (com.atlassian.renderer.v2.components,
BackslashEscapeRendererComponent), and entities stay as they are (HtmlEscapeRendererComponent).
"""

import html
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.escaping import escape_jira, escape_servicenow, escape_servicenow_html

ZERO_WIDTH = "\u200b"
STOPPED = re.escape("-#*_+?^~|%{}[]()!@")
pieces = (
    st.sampled_from(string.punctuation)
    | st.sampled_from([" ", "\n", "a", "1", "é", "h1. x", "\nbq. x", "[~admin]", "{code}", "\\\\", "&#91;", "10:30"])
    | st.sampled_from(["[code]", "[/CODE]", "code]", "<script>", "mailto:a@b.test", "https://evil.test/a?b=c&d", ":)"])
)
texts = st.lists(pieces, max_size=20).map("".join) | st.text(max_size=30)


@given(text=texts)
def test_jira_shows_a_value_as_it_is(text: str) -> None:
    escaped = escape_jira(text)
    assert html.unescape(re.sub(rf"\\([{STOPPED}])", r"\1", escaped)) == html.unescape(text.replace("&", "&amp;"))


@given(text=texts)
def test_jira_finds_no_sign_in_a_value(text: str) -> None:
    left = re.sub(rf"\\[{STOPPED}]|&#\d+;", "", escape_jira(text))
    assert not re.search(rf"[{STOPPED}\\&]", left)
    assert "://" not in left
    assert not re.search(r"^(h[1-6]|bq)\.", escape_jira(text), re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("disk full on web 7 at 10:30", "disk full on web 7 at 10:30"),
        ("[~admin] {code}x{code}", r"\[\~admin\] \{code\}x\{code\}"),
        ("!http://evil.test/a.png!", r"\!http&#58;//evil.test/a.png\!"),
        ("h1. big\nbq. quote", "&#104;1. big\n&#98;q. quote"),
        (r"C:\temp \\ line", "C&#58;&#92;temp &#92;&#92; line"),
        ("&lt; &#91;x", "&#38;lt; &#38;\\#91;x"),
    ],
)
def test_a_value_for_jira_reads_so(text: str, expected: str) -> None:
    assert escape_jira(text) == expected


@given(text=texts, before=st.sampled_from(["", "x "]), after=st.sampled_from(["", "]", "code]", "/code]"]))
def test_servicenow_finds_no_tag_in_a_value(text: str, before: str, after: str) -> None:
    escaped = escape_servicenow(text)
    assert not re.search(r"\[/?code\]", f"{before}{escaped}{after}", re.IGNORECASE)
    assert escaped.replace(ZERO_WIDTH, "") == text.replace(ZERO_WIDTH, "")


@pytest.mark.parametrize("text", ["[code]<b>", "[CODE]", "[/code]", "code]<img>"])
def test_a_tag_of_servicenow_is_broken(text: str) -> None:
    assert not re.search(r"\[/?code\]", f"[{escape_servicenow(text)}", re.IGNORECASE)


@pytest.mark.parametrize("text", ["disk full", "[web-7] down", "critical"])
def test_common_text_reaches_servicenow_as_it_is(text: str) -> None:
    assert escape_servicenow(text) == text


@given(text=texts)
def test_html_of_servicenow_shows_a_value_as_it_is(text: str) -> None:
    escaped = escape_servicenow_html(text)
    assert not re.search(r"[<>\[\"']", escaped)
    assert html.unescape(escaped) == html.unescape(html.escape(text))
