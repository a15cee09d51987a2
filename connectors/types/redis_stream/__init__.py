"""Redis Streams."""

from connectors.types.redis_stream.connector import RedisStreamConnectorType

connector_type = RedisStreamConnectorType()
