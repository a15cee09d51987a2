"""``ETag`` and ``If-Match`` (RFC 9110, sections 8.8.3 and 13.1.1): nobody undoes what somebody else did meanwhile."""

from typing import Any

from django.utils.http import parse_etags
from rest_framework.request import Request

from spaces.versions import tag_of


def etag(row: Any) -> dict[str, str]:
    """Return the header that names the version of what people set on the row; what it counts is not part of it."""
    return {"ETag": f'"{tag_of(row)}"'}


def seen_versions(request: Request) -> frozenset[str] | None:
    """Return the versions of which ``If-Match`` wants one to stand, None if any will do."""
    text = request.headers.get("If-Match")
    if text is None or text.strip() == "*":
        return None
    return frozenset(tag.strip('"') for tag in parse_etags(text) if tag.startswith('"'))
