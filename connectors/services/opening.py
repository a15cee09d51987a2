"""Turn a stored connector into a connection that its type can use."""

from connectors.models import Connector
from connectors.outcomes import Reason
from connectors.secrets import UndecryptableSecrets
from connectors.services.settings import parse_secrets
from connectors.types.base import AnyConnection, Config, Connection
from connectors.types.registry import DisabledConnectorType, UnknownConnectorType, get_enabled_type
from spaces.errors import InvalidInput
from spaces.validation import parse_model


class CannotOpen(Exception):
    """The connector cannot be used as it is stored: ``reason`` says which way, ``detail`` says it for a person."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def open_connection(connector: Connector) -> AnyConnection:
    """Return the connection, secrets opened, whether the connector is enabled or not; raise CannotOpen."""
    try:
        connector_type = get_enabled_type(connector.type)
        config: Config = parse_model(connector_type.config_model, connector.config, "/config")
        secrets = parse_secrets(connector_type, connector.secrets.open())
    except (UnknownConnectorType, DisabledConnectorType, UndecryptableSecrets, InvalidInput) as error:
        raise CannotOpen(Reason.BAD_CONFIG, str(error)) from None
    if missing := connector_type.missing_secrets(config, secrets) or connector.missing_secrets:
        raise CannotOpen(Reason.MISSING_SECRETS, f"These secrets are not set: {', '.join(missing)}.")
    return Connection(connector.pk, connector.version, config, secrets, connector.max_concurrency)
