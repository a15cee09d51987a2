"""Kafka: messages to the topics of a cluster."""

from connectors.types.kafka.connector import KafkaConnectorType

connector_type = KafkaConnectorType()
