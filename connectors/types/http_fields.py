"""What the settings of all connectors that speak HTTP have in common."""

from typing import Final, Literal

from pydantic import JsonValue, SecretStr

from connectors.net.urls import parse_url

Verify = Literal["default", "full", "certificate", "none"]

DEFAULT_TIMEOUT: Final = 15.0  # seconds
JSON_TYPE: Final = "application/json"
MAX_PEM: Final = 256 * 1024
ADVANCED: Final[dict[str, JsonValue]] = {"advanced": True}  # a field that most leave as it is: forms show it last
PEM: Final[dict[str, JsonValue]] = {"contentMediaType": "application/x-pem-file"}
PROSE: Final[dict[str, JsonValue]] = {"contentMediaType": "text/plain"}  # of several lines


def check_secret_url(value: SecretStr | None) -> SecretStr | None:
    """Return an address that is a secret, or none; raise ValueError, without it, for what is no URL."""
    if value is not None and value.get_secret_value():
        parse_url(value.get_secret_value())
    return value


def is_json(content_type: str) -> bool:
    """Whether a body of this content type is JSON; none means the usual one, which is."""
    essence = essence_of(content_type)
    return essence == JSON_TYPE or essence.endswith("+json")


def essence_of(content_type: str) -> str:
    """Return a content type without its parameters, in lower case; the usual one for none."""
    return (content_type or JSON_TYPE).partition(";")[0].strip().lower()
