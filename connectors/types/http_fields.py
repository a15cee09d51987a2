"""What the settings of all connectors that speak HTTP have in common."""

from typing import Final, Literal

from pydantic import JsonValue

Verify = Literal["default", "full", "certificate", "none"]

DEFAULT_TIMEOUT: Final = 15.0  # seconds
JSON_TYPE: Final = "application/json"
MAX_PEM: Final = 256 * 1024
ADVANCED: Final[dict[str, JsonValue]] = {"advanced": True}  # a field that most leave as it is: forms show it last
PEM: Final[dict[str, JsonValue]] = {"contentMediaType": "application/x-pem-file"}
