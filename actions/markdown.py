"""Writes text into CommonMark so that it is shown as it stands (https://spec.commonmark.org/0.31.2/)."""

import re
from typing import Final

# A backslash takes the meaning from any of ASCII's punctuation (section 2.4), from < of HTML and & of entities as well.
_PUNCTUATION: Final = re.compile(r"[!-/:-@\[-`{-~]")
_LINE_END: Final = re.compile(r"\r\n|[\r\n]")


def escape_markdown(text: str) -> str:
    """Return ``text`` as CommonMark that shows it, its lines included: no markup, no links, no HTML.

    A line break is a hard one, so that no line of the text begins a block of its own, and no empty one ends the
    paragraph. White space at the beginning is written as an entity: it would make a block of code.
    """
    lines = [_PUNCTUATION.sub(r"\\\g<0>", line) for line in _LINE_END.split(text)]
    first = lines[0]
    if first[:1] in (" ", "\t"):
        lines[0] = f"&#{ord(first[0])};{first[1:]}"
    return "\\\n".join(lines)
