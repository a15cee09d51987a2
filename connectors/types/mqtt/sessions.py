"""A connector as the MQTT client takes it."""

from connectors.net.mqtt import Session
from connectors.net.urls import Origin, parse_authority
from connectors.types.base import Connection
from connectors.types.mqtt.schemas import MqttConfig, MqttSecrets
from connectors.types.tls_fields import tls_overrides

MqttConnection = Connection[MqttConfig, MqttSecrets]


def origin_of(config: MqttConfig) -> Origin:
    """Return where the broker is."""
    return parse_authority("mqtts" if config.tls else "mqtt", config.server)


def session_of(
    connection: MqttConnection, *, client_id: str = "", clean_start: bool = True, expiry: int = 0
) -> Session:
    """Return whom to connect to and as whom, with a session that the broker keeps for ``expiry`` seconds."""
    config, secrets = connection.config, connection.secrets
    return Session(
        origin_of(config),
        client_id,
        config.version,
        config.username,
        secrets.password.get_secret_value() if secrets.password else "",
        tls_overrides(config, secrets, config.timeout),
        config.keepalive,
        clean_start,
        expiry,
    )
