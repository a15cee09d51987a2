"""The steps of a probe: one real connection, taken apart."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from connectors.net import dialling
from connectors.net.dialling import CannotConnect
from connectors.net.mqtt import MqttClient
from connectors.net.mqtt_answers import Limits
from connectors.net.policy import NetworkPolicy
from connectors.outcomes import Reason
from connectors.steps import Step
from connectors.types.answers import clean
from connectors.types.http_probe import ASK_NETWORK, tls_step
from connectors.types.masking import Masker
from connectors.types.mqtt.links import new_client_id
from connectors.types.mqtt.sessions import MqttConnection, session_of

CHECKS: Final[Mapping[str, str]] = {
    "resolve": "The host of the broker has addresses. Left out where an address stands in place of a name.",
    "policy": "The installation allows the target.",
    "connect": "The port takes connections.",
    "tls": "The certificate is valid and trusted; when it ends. With TLS only.",
    "authenticate": (
        "The broker accepts the connection: version, client id, user name, password, client certificate. Whether it "
        "lets this user publish to a topic cannot be asked, and shows with the first message."
    ),
    "limits": "What the broker takes: QoS, retained messages, size of a message. With MQTT 5 only.",
}

_ADVICE: Final[Mapping[int, str]] = {
    0x84: "The broker speaks another version: choose the other one in this connector.",
    0x85: "The broker does not take this client id: see which ones it allows.",
    0x86: "Check the user name and the password.",
    0x87: "Check the user name, the password and what the broker allows this user and client id.",
    0x88: "The broker is not ready: see its own log.",
    0x89: "The broker is busy, and is asked again.",
    0x8A: "The broker has banned this client: whoever runs it lifts that.",
    0x8C: "The broker wants another way to authenticate.",
    0x97: "A quota of the broker is used up: see its own settings.",
    0x9C: "Enter the address of the other server that the broker wants to be used.",
    0x9D: "Enter the address that the broker has moved to.",
    0x9F: "The broker takes fewer connections in so short a time.",
}
_NO_ANSWER: Final = "Check that this is the port of an MQTT broker, with or without TLS as this connector has it."


def probe_mqtt(connection: MqttConnection, policy: NetworkPolicy, *, timeout: float) -> Iterator[Step]:
    """Yield resolve, policy, connect, tls, authenticate and limits, as far as they go."""
    masker = Masker(connection.secrets.plaintexts())
    for step in _steps(connection, policy, time.monotonic() + timeout):
        yield replace(step, detail=clean(step.detail, masker))
        if not step.reason.is_ok:
            return


def _steps(connection: MqttConnection, policy: NetworkPolicy, deadline: float) -> Iterator[Step]:
    session = session_of(connection, client_id=new_client_id(connection))
    origin = session.origin
    terms = policy.terms_for(origin, session.overrides)
    deadline = min(deadline, time.monotonic() + terms.timeout)
    began, name = time.monotonic(), "resolve"
    try:
        addresses = dialling.find_addresses(policy, origin)
        if not origin.is_address:
            many = "1 address" if len(addresses) == 1 else f"{len(addresses)} addresses"
            yield Step(name, f"{origin.host} has {many}.", time.monotonic() - began)
        yield Step("policy", "The installation allows this target.")
        began, name = time.monotonic(), "connect"
        reached = dialling.open_socket(addresses, origin.port, deadline)
        yield Step(name, f"Connected to {origin.host}, port {origin.port}.", time.monotonic() - began)
        if origin.scheme == "mqtts":
            began, name = time.monotonic(), "tls"
            reached = secured = dialling.secure(reached, terms.tls, origin.host, deadline)
            yield tls_step(terms.tls.verify, dialling.certificate_of(secured), time.monotonic() - began)
    except CannotConnect as error:
        yield _failed(name, error, time.monotonic() - began)
        return
    began, client = time.monotonic(), MqttClient(session)
    try:
        client.connect(max(deadline - began, 0.1), over=reached)
    except CannotConnect as error:
        advice = _ADVICE.get(client.refused.code, "See the broker's own log.") if client.refused else _NO_ANSWER
        said = f" It says: {client.refused.said}." if client.refused and client.refused.said else ""
        yield Step("authenticate", f"{error.detail}{said}", time.monotonic() - began, error.reason, advice)
        return
    who = f" for the user {session.username}" if session.username else ""
    detail = f"The broker accepts the connection{who}. Whether it takes messages shows with the first one."
    yield Step("authenticate", detail, time.monotonic() - began)
    if session.version == "5":
        yield Step("limits", _limits(client.limits))
    client.disconnect()


def _limits(limits: Limits) -> str:
    size = "of any size" if limits.packet is None else f"of up to {limits.packet:,} bytes"
    kept = "it keeps retained ones" if limits.retain else "it keeps no retained ones"
    return f"The broker takes messages {size}, up to QoS {limits.qos}; {kept}."


def _failed(name: str, error: CannotConnect, took: float) -> Step:
    if error.reason is Reason.BLOCKED_TARGET:
        return Step("policy", error.detail, 0.0, error.reason, ASK_NETWORK)
    return Step(name, error.detail, took, error.reason, _CONNECT_ADVICE[name])


_CONNECT_ADVICE: Final = {
    "resolve": "Check the spelling of the host, and that the name servers of this installation know it.",
    "connect": "Check that a broker runs and listens there, and that this installation may reach the port.",
    "tls": (
        "Check that this is a TLS port. Enter the certificate of the broker's authority in this connector, and a "
        "client certificate where the broker wants one."
    ),
}
