"""What the tests of the MQTT type share."""

import pytest

from connectors.types.mqtt.connector import MqttConnectorType


@pytest.fixture
def mqtt() -> MqttConnectorType:
    """A type with no connections yet."""
    return MqttConnectorType()
