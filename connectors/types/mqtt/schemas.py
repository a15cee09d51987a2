"""What a person fills in for an MQTT connector."""

from typing import Final, Literal

from pydantic import Field, SecretStr, field_validator

from connectors.net.urls import MAX_URL, parse_authority
from connectors.types.tls_fields import TlsConfig, TlsSecrets

DEFAULT_TIMEOUT: Final = 15.0  # seconds


class MqttConfig(TlsConfig):
    """Which broker, and as whom."""

    server: str = Field(
        title="Server",
        description="host:port; the port is 1883, or 8883 with TLS, unless it stands there.",
        min_length=1,
        max_length=MAX_URL,
        examples=["broker.example.com:8883"],
    )
    tls: bool = Field(False, title="TLS", description="Whether the server speaks TLS at this port.")
    version: Literal["5", "3.1.1"] = Field(
        "5", title="MQTT version", description="Brokers of before 2019 speak 3.1.1 only, without properties."
    )
    username: str = Field("", title="User name", description="Where the broker wants one.", max_length=1024)
    keepalive: int = Field(
        60,
        title="Keep alive",
        description="Seconds without a message after which the two ask whether the other is still there.",
        ge=5,
        le=65_535,
    )
    timeout: float = Field(
        DEFAULT_TIMEOUT,
        title="Timeout",
        description="Seconds for the broker to answer, from connecting on.",
        ge=1,
        le=300,
    )

    @field_validator("server")
    @classmethod
    def _is_server(cls, value: str) -> str:
        if "/" in value:
            raise ValueError("Write host:port, without mqtt:// and a path; TLS has a switch of its own.")
        parse_authority("mqtt", value.strip())
        return value.strip()

    @field_validator("username")
    @classmethod
    def _is_printable(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("A user name has no control characters.")
        return value


class MqttSecrets(TlsSecrets):
    """The password, and the key of the client certificate."""

    password: SecretStr | None = Field(None, title="Password", description="Of the user name.", max_length=4096)
