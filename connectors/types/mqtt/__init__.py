"""MQTT: topics of a broker."""

from connectors.types.mqtt.connector import MqttConnectorType

connector_type = MqttConnectorType()
