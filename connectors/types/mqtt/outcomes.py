"""What a broker's answer, or none, means for a delivery (MQTT 5, sections 2.4, 3.4.2.1, 3.5.2.1 and 3.14.2.1)."""

from collections.abc import Mapping
from typing import Any, Final

from connectors.net.mqtt_answers import Answer
from connectors.outcomes import Outcome, Reason
from connectors.types.answers import clean
from connectors.types.masking import Masker

TOO_LARGE: Final = 0x95
# What a broker answers to one message: what becomes of it, and what to tell a person.
_REFUSALS: Final[Mapping[int, tuple[Reason, str]]] = {
    0x80: (Reason.RETRY_HTTP_5XX, "The broker could not take it"),
    0x83: (Reason.RETRY_HTTP_5XX, "The broker could not take it"),
    0x87: (Reason.PERMANENT_4XX, "topic: the broker does not let this user publish there"),
    0x90: (Reason.TEMPLATE_ERROR, "topic: the broker takes no topic of this name"),
    0x91: (Reason.RETRY_HTTP_5XX, "The broker could not take it"),
    TOO_LARGE: (Reason.TOO_LARGE, "The broker takes no message of this size"),
    0x97: (Reason.RETRY_429, "A quota of the broker is used up"),
    0x99: (Reason.TEMPLATE_ERROR, "payload: the broker does not take it as this content type"),
}
_OTHERWISE: Final = (Reason.PERMANENT_4XX, "The broker refused it")
# With what a broker ends a connection, where that says more than that it ended.
_ENDINGS: Final[Mapping[int, Reason]] = {0x96: Reason.RETRY_429, 0x97: Reason.RETRY_429}
_NO_SUBSCRIBERS: Final = 0x10

# What may happen to a message, for the reference.
RESULTS: Final[Mapping[str, Reason]] = {
    "the broker has it (QoS 1 and 2), or it was written (QoS 0)": Reason.OK,
    "no connection, one that ended before the answer, or an answer that is no MQTT": Reason.RETRY_CONNECT,
    "no answer in time; the broker may have it": Reason.RETRY_TIMEOUT,
    "a host without addresses": Reason.RETRY_DNS,
    "a certificate that is not trusted, or no TLS": Reason.RETRY_TLS,
    "quota exceeded (0x97), message rate too high (0x96), connection rate exceeded (0x9F)": Reason.RETRY_429,
    "unspecified or implementation specific error (0x80, 0x83), packet identifier in use (0x91)": Reason.RETRY_HTTP_5XX,
    "not authorized to publish (0x87), any other refusal, or a QoS or retained message that it does not take": (
        Reason.PERMANENT_4XX
    ),
    "a connection refused: bad user name or password (0x86), not authorized (0x87), client id not valid (0x85)": (
        Reason.BAD_CONFIG
    ),
    "a packet larger than the broker takes (0x95)": Reason.TOO_LARGE,
    "topic name invalid (0x90), payload format invalid (0x99), or a template that yields what cannot be sent": (
        Reason.TEMPLATE_ERROR
    ),
    "a target that the installation does not allow": Reason.BLOCKED_TARGET,
}


def outcome_of(answer: Answer, key: int, duration: float, request: dict[str, Any], masker: Masker) -> Outcome:
    """Return the outcome of a message that the broker answered; with QoS 0 it has only been written."""
    said = clean(f"{answer.name}, {answer.said}" if answer.said else answer.name, masker)
    response = {"reason_code": answer.code, "reason": said}
    if not answer.is_refusal:
        return Outcome(key, Reason.OK, _taken(answer, request["qos"]), None, duration, request, response)
    reason, detail = _REFUSALS.get(answer.code, _OTHERWISE)
    return Outcome(key, reason, f"{detail}: {said}.", None, duration, request, response)


def reason_at_end(answer: Answer | None) -> Reason:
    """Return what it means for the messages under way that the broker ended the connection."""
    return _ENDINGS.get(answer.code, Reason.RETRY_CONNECT) if answer else Reason.RETRY_CONNECT


def _taken(answer: Answer, qos: int) -> str:
    if qos == 0:
        return "Written. With QoS 0 no broker says whether it has it."
    return (
        "The broker has it. Nobody subscribes to the topic." if answer.code == _NO_SUBSCRIBERS else "The broker has it."
    )
