"""How every body of the API is read."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from spaces.api.problems import BodyTooLarge
from spaces.strict_json import read

MAX_BYTES = 1024 * 1024


class StrictJSONParser(BaseParser):
    """JSON as strict as that of events, up to 1 MiB. Raises InvalidInput that names the place, or BodyTooLarge."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = stream.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise BodyTooLarge
        return read(body).value
