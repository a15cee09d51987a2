"""Events out of MQTT topics."""

from rules.sources.mqtt.source import MqttSource

source_type = MqttSource()
