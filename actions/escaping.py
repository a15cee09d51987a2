"""Takes from a value's text what the system that it goes to would read as markup: one function for each format.

A text stays readable and means itself: it mentions nobody, links nowhere and formats nothing. What a person wrote
around the value keeps its meaning. Values may stand side by side: each is escaped so that no sign of it begins or ends
what another goes on with.
"""

import html
import re
from collections.abc import Callable
from typing import Final

from connectors.types.base import TemplateFormat

# Nothing is seen of it, and nothing that stands on both sides of it is read as one (Unicode 15.0, section 23.2).
_ZERO_WIDTH_SPACE: Final = "\u200b"

_SLACK_ENTITIES: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_SLACK_MARK: Final = re.compile(r"[*_~`]")
_SLACK_QUOTE: Final = re.compile(r"^(\s*)&gt;", re.MULTILINE)

_MARKDOWN_SIGNS: Final = re.compile(r"[\\`*_{}\[\]()<>#+\-.!|~&:@=]")
_INDENT: Final = re.compile(r"^[ \t]+", re.MULTILINE)

_DISCORD_SIGNS: Final = re.compile(
    r"""[\\*_~`|<\[\]] # formats, mentions, custom emojis, times and masked links
    | :(?=//|/?\Z) # links
    | (?<!\S)[>#+\-] # quotes, headings and lists, which may be indented
    | (?<![^\s\d])\.(?!\S) # numbered lists
    """,
    re.VERBOSE,
)

_TELEGRAM_MENTION: Final = re.compile(r"(?P<url>https?://\w\S*)|(?<!\w)@")
_TELEGRAM_SIGNS: Final = re.compile(r"[_*\[\]()~`>#+\-=|{}.!\\]")

_JIRA_SIGNS: Final = re.compile(
    r"""(?P<slash>[!\[\]^~+?%{}()*_\-|@\#]) # what a backslash stops
    | (?P<entity>[\\&] # the backslash itself, which doubled is a new line, and what begins an entity
    | (?<!\d):(?=\S|\Z)|:(?=[^\s\d]) # links and smileys
    | ^h(?=[1-6](?:\.|\Z))|^b(?=q(?:\.|\Z))) # headings and quotes
    """,
    re.VERBOSE | re.MULTILINE,
)

_SERVICENOW_TAG: Final = re.compile(r"\[(?=[c/]|\Z)", re.IGNORECASE)
_SERVICENOW_BEGUN: Final = re.compile(r"\A(?=/?code)", re.IGNORECASE)


def escape_slack(text: str) -> str:
    """Return text for Slack's mrkdwn.

    Slack decodes its three entities; ``*``, ``_``, ``~`` and backticks have none, and format only where a word begins
    or ends. https://docs.slack.dev/messaging/formatting-message-text
    """
    marked = _SLACK_MARK.sub(_off_the_words, text).translate(_SLACK_ENTITIES)
    return _SLACK_QUOTE.sub(rf"\1{_ZERO_WIDTH_SPACE}&gt;", marked)


def _off_the_words(mark: re.Match[str]) -> str:
    text, start, end = mark.string, mark.start(), mark.end()
    before = "" if start and _is_word(text[start - 1]) else _ZERO_WIDTH_SPACE
    after = "" if end < len(text) and _is_word(text[end]) else _ZERO_WIDTH_SPACE
    return f"{before}{mark[0]}{after}"


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def escape_markdown(text: str) -> str:
    """Return text for Markdown; an indented line keeps its indent and is no code.

    CommonMark 0.31.2, "Backslash escapes": a backslash before any ASCII punctuation makes it a sign like others.
    """
    indented = _INDENT.sub(lambda found: "\u00a0" * len(found[0].expandtabs(4)), text)
    return _MARKDOWN_SIGNS.sub(r"\\\g<0>", indented)


def escape_discord(text: str) -> str:
    """Return text for Discord's Markdown. A backslash stops all but mentions, which the server looks for itself.

    https://docs.discord.com/developers/reference, "Message Formatting", and
    https://support.discord.com/hc/en-us/articles/210298617, "Markdown Text 101"
    """
    return _DISCORD_SIGNS.sub(r"\\\g<0>", text).replace("@", f"@{_ZERO_WIDTH_SPACE}")


def escape_telegram(text: str) -> str:
    """Return text for a message of Telegram without markup, where an ``@name`` still mentions somebody.

    A URL leads where it did.
    """
    return _TELEGRAM_MENTION.sub(_unmention, text)


def _unmention(found: re.Match[str]) -> str:
    return found["url"].replace("@", "%40") if found["url"] else f"@{_ZERO_WIDTH_SPACE}"


def escape_telegram_html(text: str) -> str:
    """Return text for Telegram's HTML. https://core.telegram.org/bots/api#html-style"""
    return html.escape(escape_telegram(text))


def escape_telegram_markdown(text: str) -> str:
    """Return text for Telegram's MarkdownV2. https://core.telegram.org/bots/api#markdownv2-style"""
    return _TELEGRAM_SIGNS.sub(r"\\\g<0>", escape_telegram(text))


def escape_jira(text: str) -> str:
    """Return text for the wiki markup of Jira Server and Data Center.

    A backslash stops the signs that the renderer takes it before; the others are written as entities, which it keeps.
    https://jira.atlassian.com/secure/WikiRendererHelpAction.jspa?section=all
    """
    return _JIRA_SIGNS.sub(lambda sign: f"\\{sign[0]}" if sign["slash"] else f"&#{ord(sign[0])};", text)


def escape_servicenow(text: str) -> str:
    """Return text for a journal field of ServiceNow, where ``[code]`` begins HTML and all else is text.

    ServiceNow, system property ``glide.ui.security.allow_codetag``.
    """
    broken = _SERVICENOW_TAG.sub(f"[{_ZERO_WIDTH_SPACE}", text)
    return _SERVICENOW_BEGUN.sub(_ZERO_WIDTH_SPACE, broken)


def escape_servicenow_html(text: str) -> str:
    """Return text for the HTML between ``[code]`` and ``[/code]`` in a journal field of ServiceNow."""
    return html.escape(text).replace("[", "&#91;")


ESCAPES: Final[dict[TemplateFormat, Callable[[str], str]]] = {
    "slack": escape_slack,
    "markdown": escape_markdown,
    "discord": escape_discord,
    "telegram": escape_telegram,
    "telegram_html": escape_telegram_html,
    "telegram_markdown": escape_telegram_markdown,
    "jira": escape_jira,
    "servicenow": escape_servicenow,
    "servicenow_html": escape_servicenow_html,
}
