"""Events in groups: by at most two of their attributes and of the fields of their data."""

from typing import Annotated, Any, Final

import orjson
from pydantic import AfterValidator, Field, StringConstraints

FIELD_PATTERN: Final = r"^(source|subject|type|data(\.[A-Za-z0-9_-]{1,64}){1,5})$"
MOST_GROUPS: Final = 10_000
ALL: Final = "events"  # key of the one alert of a rule without groups
JOINT: Final = " / "  # between the texts of a group


def _distinct(fields: list[str]) -> list[str]:
    return list(dict.fromkeys(fields))


Fields = Annotated[
    list[Annotated[str, StringConstraints(strip_whitespace=True, pattern=FIELD_PATTERN)]],
    Field(max_length=2),
    AfterValidator(_distinct),
]


def text_of(value: Any) -> str:
    """Return a field's value as the text that stands for it in a group's name; "" for one that makes no group."""
    if value is None or isinstance(value, dict | list):
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
