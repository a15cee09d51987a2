"""What an MQTT broker says: reason codes (MQTT 5, section 2.4) and the limits that it sets (section 3.2.2.3)."""

from dataclasses import dataclass
from typing import Any, Final

from paho.mqtt.reasoncodes import ReasonCode

from connectors.outcomes import Reason

_FAILURE: Final = 0x80  # from which on a code says that something failed
_MOST_SAID: Final = 300  # characters of a broker's own words
# What a refused connection comes to. Codes of MQTT 3.1.1 arrive as those of MQTT 5.
_CONNACK: Final = {
    0x84: Reason.BAD_CONFIG,  # unsupported protocol version
    0x85: Reason.BAD_CONFIG,  # client identifier not valid
    0x86: Reason.BAD_CONFIG,  # bad user name or password
    0x87: Reason.BAD_CONFIG,  # not authorized
    0x8A: Reason.BAD_CONFIG,  # banned
    0x8C: Reason.BAD_CONFIG,  # bad authentication method
    0x97: Reason.RETRY_429,  # quota exceeded
    0x9C: Reason.BAD_CONFIG,  # use another server
    0x9D: Reason.BAD_CONFIG,  # server moved
    0x9F: Reason.RETRY_429,  # connection rate exceeded
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A reason code; its name in lower case; and what the broker adds to that, which may tell a secret back."""

    code: int
    name: str
    said: str = ""

    @property
    def is_refusal(self) -> bool:
        return self.code >= _FAILURE


@dataclass(frozen=True, slots=True)
class Limits:
    """What a broker takes: messages under way, QoS, retained ones, and bytes of a packet, None for any number."""

    under_way: int = 65_535
    qos: int = 2
    retain: bool = True
    packet: int | None = None


def answer_of(reason: ReasonCode, properties: Any) -> Answer:
    """Return what a packet with a reason code says."""
    said = " ".join(getattr(properties, "ReasonString", "").split())
    return Answer(reason.value, str(reason).lower(), said[:_MOST_SAID])


def limits_of(properties: Any) -> Limits:
    """Return the limits in the properties of a CONNACK; MQTT 3.1.1 has none."""
    usual = Limits()
    return Limits(
        getattr(properties, "ReceiveMaximum", usual.under_way),
        getattr(properties, "MaximumQoS", usual.qos),
        bool(getattr(properties, "RetainAvailable", usual.retain)),
        getattr(properties, "MaximumPacketSize", usual.packet),
    )


def why_refused(answer: Answer) -> Reason:
    """Return what a connection that the broker refused comes to."""
    return _CONNACK.get(answer.code, Reason.RETRY_CONNECT)
