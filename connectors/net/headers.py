"""Which headers a person may set, and with what values."""

import re
from typing import Final

# What this program or libcurl sets: the framing of the request, and what names the message.
RESERVED: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "switchyard-hop",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "webhook-id",
        "webhook-ids",
        "webhook-signature",
        "webhook-timestamp",
    }
)
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")  # RFC 9110, section 5.6.2
_VALUE: Final = re.compile(r"[\t\x20-\x7e]{0,8192}")


def check_name(name: str) -> None:
    """Raise ValueError, for a person, unless a header of this name may be set."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name[:100]!a} is not the name of a header: use letters, digits and hyphens.")
    if name.lower() in RESERVED:
        raise ValueError(f"The header {name} is set by Switchyard.")


def check_value(name: str, value: str) -> None:
    """Raise ValueError, for a person and without the value, unless the header may have it."""
    if not _VALUE.fullmatch(value):
        raise ValueError(f"The header {name} takes at most 8192 printable ASCII characters, and no line breaks.")
