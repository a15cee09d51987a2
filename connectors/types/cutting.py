"""Cuts text to the length that a system takes."""

import re
from typing import Final

_MARK: Final = "…"
_HALF_ENTITY: Final = re.compile(r"&[#\w]{0,7}\Z")
_BACKSLASHES: Final = re.compile(r"\\+\Z")


def cut(text: str, most: int) -> str:
    """Return at most ``most`` characters of a text, the last of them "…" where more was said.

    No escape is cut in two: neither an entity (``&lt;``) nor a backslash from the sign that it is before.
    """
    if len(text) <= most:
        return text
    kept = _HALF_ENTITY.sub("", text[: most - len(_MARK)])
    backslashes = _BACKSLASHES.search(kept)
    if backslashes and len(backslashes[0]) % 2:
        kept = kept[:-1]
    return kept + _MARK
