"""Turn a stored connector into a connection that its type can use."""

from django.conf import settings

from connectors.models import Connector
from connectors.outcomes import Reason
from connectors.secrets import UndecryptableSecrets
from connectors.services.settings import parse_secrets
from connectors.types.base import AnyConnection, Config, Connection
from connectors.types.registry import DisabledConnectorType, UnknownConnectorType, get_enabled_type, get_type
from spaces.errors import InvalidInput
from spaces.validation import parse_model


def concurrency_of(connector: Connector) -> int:
    """Return how many messages may be under way to it at once, from one worker."""
    if connector.max_concurrency is not None:
        return connector.max_concurrency
    try:
        batch = get_type(connector.type).batch
    except UnknownConnectorType:
        batch = 1
    return int(settings.CONNECTOR_CONCURRENCY * batch)


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
    return Connection(connector.pk, connector.version, config, secrets, concurrency_of(connector))
