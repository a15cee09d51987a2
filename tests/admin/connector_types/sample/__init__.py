"""A connector type that is nothing but a folder: no other file knows it."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator

from connectors.outcomes import Outcome
from connectors.steps import Step
from connectors.types.base import Config, Connection, ConnectorType, Message, Params, Secrets


class SampleConfig(Config):
    host: str = Field(title="Host", description="Name of the machine.")
    port: int = Field(7, title="Port", ge=1, le=65535)
    topics: list[str] = Field([], title="Topics")
    labels: dict[str, str] = Field({}, title="Labels")

    @field_validator("labels")
    @classmethod
    def _check(cls, labels: dict[str, str]) -> dict[str, str]:
        if "forbidden" in labels:
            raise ValueError("There is no such label.")
        return labels


class SampleSecrets(Secrets):
    token: SecretStr | None = Field(None, title="Token")
    password: SecretStr | None = Field(None, title="Password")


class SampleParams(Params):
    kind: Literal["long", "short"] = Field("short", title="Kind")
    text: str = Field(title="Text", json_schema_extra={"contentMediaType": "text/plain"})
    extra: dict[str, Any] = Field({}, title="Extra")


class SampleType(ConnectorType[SampleConfig, SampleSecrets, SampleParams]):
    id = "sample"
    name = "Sample system"
    description = "For tests."
    categories = ("test",)
    icon = "science"
    config_model = SampleConfig
    secrets_model = SampleSecrets
    params_model = SampleParams

    def deliver(
        self, connection: Connection[SampleConfig, SampleSecrets], messages: Iterable[Message[SampleParams]]
    ) -> Iterator[Outcome]:
        yield from ()

    def probe(self, connection: Connection[SampleConfig, SampleSecrets], *, timeout: float) -> Iterator[Step]:
        host = connection.config.host
        yield Step("open", f"It is open. {host}", advice=f"Go on. {host}")

    def targets(self, config: SampleConfig) -> frozenset[str]:
        return frozenset({f"sample://{config.host}:{config.port}"})

    def default_params(self) -> dict[str, Any]:
        return {"text": "{{ event.id }}"}


connector_type = SampleType()
