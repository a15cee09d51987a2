"""What schemathesis cannot write by itself: bodies of the formats that this API takes."""

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def write_lines(context: Any, value: Any) -> bytes:
    """Send the text as it is: the schema knows no more of it than that it is one."""
    return value.encode("utf-8", "replace") if isinstance(value, str) else repr(value).encode()
