"""A connector type for the tests of what holds for every type."""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.base import Config, Connection, ConnectorType, Message, Params, Secrets
from spaces.errors import FieldError


class VaultConfig(Config):
    url: str = Field(pattern="^https?://")
    username: str = ""
    retries: int = Field(3, ge=0)
    labels: dict[str, str] = {}


class VaultSecrets(Secrets):
    password: SecretStr | None = None
    token: SecretStr | None = None

    @field_validator("token")
    @classmethod
    def _check_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and value.get_secret_value().startswith("!"):
            raise ValueError(f"{value.get_secret_value()} is not a token.")
        return value


class VaultParams(Params):
    text: str = ""


class Vault(ConnectorType[VaultConfig, VaultSecrets, VaultParams]):
    id = "vault"
    name = "Vault"
    description = "Keeps what it is told."
    categories = ("test",)
    icon = "lock"
    config_model = VaultConfig
    secrets_model = VaultSecrets
    params_model = VaultParams

    def deliver(
        self, connection: Connection[VaultConfig, VaultSecrets], messages: Iterable[Message[VaultParams]]
    ) -> Iterator[Outcome]:
        return (Outcome(message.key, Reason.OK) for message in messages)

    def probe(self, connection: Connection[VaultConfig, VaultSecrets], *, timeout: float) -> Iterator[Step]:
        yield Step("open", "The vault is open.")

    def targets(self, config: VaultConfig) -> frozenset[str]:
        parts = urlsplit(config.url)
        return frozenset({f"{parts.scheme}://{parts.netloc}"})

    def check(self, config: VaultConfig) -> list[FieldError]:
        return [FieldError("/url", "This host is closed.")] if "closed" in config.url else []

    def missing_secrets(self, config: VaultConfig, secrets: VaultSecrets) -> list[str]:
        return ["password"] if config.username and secrets.password is None else []
