"""What a person fills in for an apprise connector, and what an action says.

How the URLs are written: https://appriseit.com/services/
"""

from typing import Final

from pydantic import Field, SecretStr, field_validator

from connectors.types.apprise.services import SERVICES, service_of
from connectors.types.base import Params, Secrets
from connectors.types.http_api import HttpApiConfig
from connectors.types.rendered import LONG, one_of

TYPES: Final = ("info", "success", "warning", "failure")


class AppriseConfig(HttpApiConfig):
    """Which service is notified."""

    service: str = Field(
        title="Service",
        description=f"What the URL begins with: {', '.join(SERVICES)}.",
        max_length=32,
        examples=["pover"],
        json_schema_extra={"enum": list(SERVICES)},
    )

    @field_validator("service")
    @classmethod
    def _is_allowed(cls, value: str) -> str:
        if value not in SERVICES:
            raise ValueError(f"Use one of {', '.join(SERVICES)}: their hosts are fixed in apprise.")
        return value


class AppriseSecrets(Secrets):
    """Whom the service notifies, and with what right."""

    url: SecretStr | None = Field(
        None,
        title="URL",
        description="As apprise writes it for the service, such as pover://user@token.",
        max_length=4096,
        examples=["pover://user@token"],
    )

    @field_validator("url")
    @classmethod
    def _is_allowed(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and service_of(value.get_secret_value()) not in SERVICES:
            raise ValueError(f"The URL begins with one of {', '.join(SERVICES)}, then ://.")
        return value


class AppriseParams(Params):
    """One notification. Every string may be a template."""

    title: str = Field(
        "{{ event.type }}",
        title="Title",
        description="Stands before the text where the service knows no titles. Cut where the service takes no more.",
        max_length=LONG,
    )
    body: str = Field(
        "{{ event.type }} from {{ event.source }}",
        title="Text",
        description="Plain text, cut where the service takes no more.",
        min_length=1,
        max_length=LONG,
    )
    type: str = Field(
        "info",
        title="Kind",
        description="info, success, warning or failure: some services show a sign for it.",
        max_length=256,
    )

    @field_validator("type")
    @classmethod
    def _is_type(cls, value: str) -> str:
        return one_of(TYPES, value)
