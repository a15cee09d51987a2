"""What an index or data stream may be called.

Source: Elasticsearch, "Create an index", path parameter ``index``; OpenSearch, "Create index", "Index naming
restrictions" says the same. A colon is refused since Elasticsearch 7.
"""

from typing import Final

from connectors.types.base import is_template

_NEVER: Final = '\\/*?"<>| ,#:'
_NOT_FIRST: Final = ("-", "_", "+")
_MOST_BYTES: Final = 255


def check_index(name: str) -> str:
    """Return the name of an index, a data stream or an alias; raise ValueError for what can be none."""
    if not name:
        raise ValueError("An index needs a name.")
    if name in (".", ".."):
        raise ValueError("An index is not called . or .. .")
    if name.startswith(_NOT_FIRST):
        raise ValueError(f"The name of an index does not begin with {' '.join(_NOT_FIRST)}.")
    if wrong := next((sign for sign in name if sign in _NEVER or not sign.isprintable()), ""):
        raise ValueError(f"The name of an index has no {_shown(wrong)}.")
    if name != name.lower():
        raise ValueError("The name of an index is in lower case.")
    if len(name.encode("utf-8", "surrogatepass")) > _MOST_BYTES:
        raise ValueError(f"The name of an index has at most {_MOST_BYTES} bytes.")
    return name


def check_index_template(name: str) -> str:
    """Return what may become the name of an index; raise ValueError for a fixed part that can stand in none."""
    if not is_template(name):
        return check_index(name) if name else name
    if name.startswith(_NOT_FIRST):
        raise ValueError(f"The name of an index does not begin with {' '.join(_NOT_FIRST)}.")
    return name


def _shown(sign: str) -> str:
    return {" ": "space", ",": "comma", ":": "colon"}.get(sign, sign if sign.isprintable() else repr(sign)[1:-1])
