"""What an action writes to the log. The fields are those of Kibana's connector ``.server-log``."""

from typing import Final

from pydantic import Field, field_validator

from connectors.types.base import Config, Params, Secrets
from connectors.types.rendered import one_of

LEVELS: Final = ("trace", "debug", "info", "warn", "error", "fatal")
MAX_MESSAGE: Final = 256 * 1024  # characters that may be written; fewer of them are kept


class ServerLogConfig(Config):
    """There is one log, and nothing to choose."""


class ServerLogSecrets(Secrets):
    """The log asks for none."""


class ServerLogParams(Params):
    """One line. Every string may be a template."""

    message: str = Field(
        "{{ event.type }} from {{ event.source }}: {{ event.id }}",
        title="Message",
        description=(
            "Line breaks and other control characters are written as \\n and the like. Cut after 8,192 characters."
        ),
        min_length=1,
        max_length=MAX_MESSAGE,
    )
    level: str = Field(
        "info",
        title="Level",
        description="trace, debug, info, warn, error or fatal. What is below LOG_LEVEL is not written.",
        max_length=256,
    )

    @field_validator("level")
    @classmethod
    def _is_level(cls, value: str) -> str:
        return one_of(LEVELS, value)
