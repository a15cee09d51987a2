"""A connector in librdkafka's words (its CONFIGURATION.md), and the servers to begin with."""

from dataclasses import dataclass
from typing import Any, Final

from connectors.net.brokers import parse_servers
from connectors.net.kafka import Token
from connectors.net.policy import NetworkPolicy
from connectors.net.terms import Terms
from connectors.net.tls import ca_bundle
from connectors.net.urls import Origin
from connectors.types.base import Connection
from connectors.types.kafka.schemas import KafkaConfig, KafkaSecrets
from connectors.types.masking import Masker
from connectors.types.oauth2 import Grant, TokenSource
from connectors.types.tls_fields import tls_overrides

KafkaConnection = Connection[KafkaConfig, KafkaSecrets]

_MECHANISMS: Final = {
    "plain": "PLAIN",
    "scram_sha_256": "SCRAM-SHA-256",
    "scram_sha_512": "SCRAM-SHA-512",
    "oauth": "OAUTHBEARER",
}
_ACKS: Final = {"all": "all", "leader": "1", "none": "0"}
_LARGEST_ANSWER: Final = 16 * 1024 * 1024  # bytes
_PROPAGATION: Final = 5.0  # seconds, at most, after which a topic that nobody knows counts as missing
_ASK_EARLY: Final = 0.8  # of a token's life, after which librdkafka asks for the next one


@dataclass(frozen=True, slots=True)
class Access:
    """How a connector reaches its cluster. ``terms`` hold for all servers; ``tokens`` are there for OAuth."""

    servers: tuple[Origin, ...]
    terms: Terms
    tokens: TokenSource | None
    own_masker: Masker

    @property
    def masker(self) -> Masker:
        """What takes the connection's secrets out of texts, its access token among them."""
        return self.own_masker if self.tokens is None else self.tokens.masker


def access_of(connection: KafkaConnection, policy: NetworkPolicy) -> Access:
    """Return how the connector reaches its cluster: one TLS for all its servers, that of the first one."""
    config, secrets = connection.config, connection.secrets
    servers = parse_servers("kafka", config.bootstrap_servers)
    overrides = tls_overrides(config, secrets, config.timeout)
    each = [policy.terms_for(server, overrides) for server in servers]
    terms = min(each, key=lambda found: found.timeout)
    tokens = None
    if config.auth == "oauth":
        tokens = TokenSource(connection, _grant(connection), overrides)
    return Access(servers, Terms(each[0].tls, None, terms.timeout), tokens, Masker(secrets.plaintexts()))


def client_settings(connection: KafkaConnection, access: Access) -> dict[str, Any]:
    """Return what holds for every client of the cluster, secrets among it, without servers (connectors.net.kafka)."""
    config, secrets = connection.config, connection.secrets
    timeout = int(access.terms.timeout * 1000)
    settings: dict[str, Any] = {
        "client.id": config.client_id,
        "security.protocol": _protocol(config),
        "socket.timeout.ms": max(timeout, 1000),
        "socket.connection.setup.timeout.ms": max(timeout, 1000),
        "api.version.request.timeout.ms": timeout,
        "receive.message.max.bytes": _LARGEST_ANSWER,
        "socket.keepalive.enable": True,
        "log.connection.close": True,  # or it would not tell of a connection that the other side ends
        "allow.auto.create.topics": config.create_topics,
    }
    if config.tls:
        settings |= _tls(access.terms)
    if config.auth != "none":
        settings["sasl.mechanisms"] = _MECHANISMS[config.auth]
    if config.auth not in ("none", "oauth"):
        settings["sasl.username"] = config.username
        settings["sasl.password"] = secrets.password.get_secret_value() if secrets.password else ""
    return settings


def producer_settings(connection: KafkaConnection, access: Access, timeout: float) -> dict[str, Any]:
    """Return what holds for a producer that gives each message ``timeout`` seconds."""
    config = connection.config
    return client_settings(connection, access) | {
        "message.timeout.ms": int(timeout * 1000),
        "request.timeout.ms": int(timeout * 1000),
        "topic.metadata.propagation.max.ms": int(min(timeout / 3, _PROPAGATION) * 1000),
        "acks": _ACKS[config.acks],
        "enable.idempotence": config.idempotence,
        "compression.type": config.compression,
        "linger.ms": min(config.linger, int(timeout * 1000 / 3)),
        "batch.size": config.batch_size,
        "message.max.bytes": config.max_message_size,
        # As Kafka's own clients do, so that a key has the same partition whoever sends.
        "partitioner": "murmur2_random",
    }


def token_for(connection: KafkaConnection, tokens: TokenSource) -> Token:
    """Return an access token as librdkafka takes it; raise NoToken."""
    token = tokens.token()
    left = tokens.lasts()
    # It asks for the next one early; that moment is to be the one when there is another.
    ends = token.expires_at.timestamp() + left / _ASK_EARLY - left + 1
    config = connection.config
    return token.text.get_secret_value(), ends, config.oauth_client_id, dict(config.sasl_extensions)


def _protocol(config: KafkaConfig) -> str:
    if config.auth == "none":
        return "ssl" if config.tls else "plaintext"
    return "sasl_ssl" if config.tls else "sasl_plaintext"


def _tls(terms: Terms) -> dict[str, Any]:
    tls = terms.tls
    settings: dict[str, Any] = {
        "enable.ssl.certificate.verification": tls.verify != "none",
        "ssl.endpoint.identification.algorithm": "https" if tls.verify == "full" else "none",
    }
    settings |= {"ssl.ca.pem": tls.ca} if tls.ca else {"ssl.ca.location": ca_bundle()}
    if tls.client_cert:
        settings |= {"ssl.certificate.pem": tls.client_cert, "ssl.key.pem": tls.client_key}
    return settings


def _grant(connection: KafkaConnection) -> Grant:
    config, secret = connection.config, connection.secrets.client_secret
    return Grant(
        config.token_url,
        config.oauth_client_id,
        secret.get_secret_value() if secret else "",
        config.scope,
        config.token_fields,
        config.client_auth,
    )
