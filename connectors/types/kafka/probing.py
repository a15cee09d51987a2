"""The steps of a probe: one real connection taken apart, then what the cluster says of itself and of the test topic."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from connectors.net.brokers import vet
from connectors.net.kafka import Fault, Inspector
from connectors.net.policy import BlockedTarget, NetworkPolicy
from connectors.net.resolver import NameNotFound
from connectors.net.urls import Origin
from connectors.outcomes import Reason
from connectors.steps import Step
from connectors.types.answers import clean
from connectors.types.kafka.outcomes import explain, reason_for
from connectors.types.kafka.settings import Access, KafkaConnection, access_of, client_settings, token_for
from connectors.types.oauth2 import NoToken

_ASK_NETWORK: Final = (
    "Where this target is meant, whoever runs this installation allows it in NETWORK_ALLOWED_HOSTS or "
    "NETWORK_ALLOWED_PRIVATE."
)
CHECKS: Final = {
    "resolve": "The names of the bootstrap servers have addresses. Left out where all are addresses.",
    "policy": "The network policy allows them.",
    "token": "The token endpoint gives an access token. For oauth only.",
    "connect": "A server takes the connection.",
    "tls": "Its certificate is a good one. With TLS only.",
    "protocol": "It speaks Kafka's protocol.",
    "authenticate": "The cluster accepts the credentials. Left out with the authentication none.",
    "metadata": "The cluster tells which servers it has.",
    "brokers": "The network policy allows all of these.",
    "topic": "The test topic exists and may be written. Left out where none is named.",
}
_CHANGED: Final = "Broker changed state "
# The step that ends when librdkafka leaves the state (rd_kafka_broker_state_names in its rdkafka_broker.c).
_STEPS: Final = {
    "CONNECT": "connect",
    "SSL_HANDSHAKE": "tls",
    "APIVERSION_QUERY": "protocol",
    "AUTH_HANDSHAKE": "authenticate",
    "AUTH_LEGACY": "authenticate",
    "AUTH_REQ": "authenticate",
}
_ORDER: Final = ("connect", "tls", "protocol", "authenticate", "metadata")
_PASSED: Final = {
    "connect": "Connected to {server}.",
    "tls": "The certificate is {verified}.",
    "protocol": "The server speaks Kafka's protocol.",
    "authenticate": "The cluster accepts the credentials.",
}
_VERIFIED: Final = {
    "full": "verified",
    "certificate": "verified, its host name not checked",
    "none": "not verified, as this connector says",
}
_ADVICE: Final = {
    "connect": "Check that a broker runs and listens there, and that this installation may reach the port.",
    "tls": (
        "Check that this is a TLS port. Enter the certificate of the cluster's authority in this connector, and a "
        "client certificate where the cluster wants one; servers have to be named as their certificates name them."
    ),
    "protocol": "Check the port: it may be for TLS, for other clients, or of another service.",
    "authenticate": "Check the kind of authentication, the user name and the password.",
    "metadata": "The cluster took the connection and does not tell its servers: see its own logs.",
}
_ENDPOINT_ADVICE: Final = "Check the token endpoint, the client ID and secret, and the scope."


@dataclass(slots=True)
class _Progress:
    """How far the connection to one server came: seconds for each step that it passed, and the last one it was in."""

    passed: dict[str, float] = field(default_factory=dict)
    at: str = "connect"
    since: float = 0.0

    def move(self, former: str, state: str, now: float) -> None:
        step = _STEPS.get(former)
        if step is not None and state != "DOWN":
            self.passed[step] = self.passed.get(step, 0.0) + now - self.since
        self.since = now
        # librdkafka connects anew after a failure: what counts is how far it ever came.
        reached = "metadata" if state == "UP" else _STEPS.get(state, self.at)
        self.at = max(self.at, reached, key=_ORDER.index)


class _Watch:
    """Follows librdkafka's log to see how far it comes with each server."""

    def __init__(self) -> None:
        self._servers: dict[str, _Progress] = {}

    def __call__(self, facility: str, line: str) -> None:
        if facility != "STATE" or _CHANGED not in line:
            return
        thread, _, change = line.partition(_CHANGED)
        former, _, state = change.partition(" -> ")
        name = thread.strip().rpartition(": ")[2] or thread.strip()
        self._servers.setdefault(name, _Progress()).move(former.strip(), state.strip(), time.monotonic())

    def furthest(self) -> _Progress:
        """Return the progress with the server that came furthest."""
        return max(self._servers.values(), key=lambda each: _ORDER.index(each.at), default=_Progress())


def probe_kafka(connection: KafkaConnection, policy: NetworkPolicy, *, timeout: float) -> Iterator[Step]:
    """Yield the steps, as far as they go.

    They are resolve (of names), policy, token (for OAuth), connect, tls, protocol, authenticate, metadata, brokers,
    and topic (where one is named).
    """
    deadline = time.monotonic() + timeout
    access = access_of(connection, policy)
    for step in _before(connection, access, policy):
        yield step
        if not step.reason.is_ok:
            return
    tokens, watch = access.tokens, _Watch()
    inspector = Inspector.open(
        client_settings(connection, access) | {"debug": "broker", "allow.auto.create.topics": False},
        access.servers,
        policy,
        lambda text: access.masker.mask(text),  # whose tokens may change meanwhile
        None if tokens is None else lambda: token_for(connection, tokens),
        watch,
    )
    if isinstance(inspector, Fault):
        yield _failed("connect", inspector, access, 0.0)
        return
    try:
        for step in _look(connection, access, policy, inspector, watch, deadline):
            yield step
            if not step.reason.is_ok:
                return
    finally:
        inspector.close()


def _before(connection: KafkaConnection, access: Access, policy: NetworkPolicy) -> Iterator[Step]:
    began, found, named = time.monotonic(), 0, [server for server in access.servers if not server.is_address]
    try:
        for server in access.servers:
            found += len(vet(policy, server))
    except NameNotFound as error:
        advice = "Check the spelling of the host, and that the name servers of this installation know it."
        yield Step("resolve", str(error), time.monotonic() - began, Reason.RETRY_DNS, advice)
        return
    except BlockedTarget as error:
        yield Step("policy", str(error), reason=Reason.BLOCKED_TARGET, advice=_ASK_NETWORK)
        return
    if named:
        hosts = named[0].host if len(named) == 1 else f"{len(named)} servers"
        many = "1 address" if found == 1 else f"{found} addresses"
        yield Step("resolve", f"{hosts}: {many}.", time.monotonic() - began)
    yield Step("policy", "The installation allows these servers.")
    if access.tokens is not None:
        began = time.monotonic()
        try:
            access.tokens.token()
        except NoToken as error:
            detail = clean(error.failure.detail, access.masker)
            yield Step("token", detail, time.monotonic() - began, error.failure.reason, _ENDPOINT_ADVICE)
        else:
            yield Step("token", f"The access token is good for {access.tokens.lasts()} s.", time.monotonic() - began)


def _look(
    connection: KafkaConnection,
    access: Access,
    policy: NetworkPolicy,
    inspector: Inspector,
    watch: _Watch,
    deadline: float,
) -> Iterator[Step]:
    began = time.monotonic()
    fault = inspector.reach(min(deadline - began, access.terms.timeout))
    inspector.serve(0)
    progress = watch.furthest()
    server = access.servers[0].authority if len(access.servers) == 1 else "a server of the cluster"
    verified = _VERIFIED[access.terms.tls.verify]
    reached = list(_ORDER[: _ORDER.index(progress.at)]) if fault is not None else list(_PASSED)
    failed_at = progress.at
    if fault is not None and reason_for(fault) is Reason.RETRY_TLS and connection.config.tls:
        # With TLS 1.3 a server refuses a client's certificate only after the handshake.
        failed_at, reached = "tls", ["connect"]
    for name in reached:
        if name in progress.passed:
            yield Step(name, _PASSED[name].format(server=server, verified=verified), progress.passed[name])
    if fault is not None:
        yield _failed(failed_at, fault, access, time.monotonic() - began)
        return
    brokers = inspector.brokers(_left(deadline))
    took = time.monotonic() - max(progress.since, began)
    if isinstance(brokers, Fault):
        yield _failed("metadata", brokers, access, took)
        return
    many = "1 server" if len(brokers) == 1 else f"{len(brokers)} servers"
    yield Step("metadata", f"The cluster has {many}.", took)
    yield _judge(brokers, policy)
    if topic := connection.config.probe_topic:
        yield _topic_step(topic, access, inspector, _left(deadline))


def _judge(brokers: list[Origin | str], policy: NetworkPolicy) -> Step:
    began = time.monotonic()
    try:
        for broker in brokers:
            if isinstance(broker, str):
                raise BlockedTarget(f"The cluster advertises {broker!r}, which is no server.")
            vet(policy, broker)
    except BlockedTarget as error:
        took = time.monotonic() - began
        return Step("brokers", f"The cluster advertises a server: {error}", took, Reason.BLOCKED_TARGET, _ASK_NETWORK)
    except NameNotFound as error:
        advice = "The cluster advertises names that this installation has to resolve: see its advertised.listeners."
        return Step("brokers", str(error), time.monotonic() - began, Reason.RETRY_DNS, advice)
    return Step("brokers", "The installation allows all of them.", time.monotonic() - began)


def _topic_step(name: str, access: Access, inspector: Inspector, timeout: float) -> Step:
    began = time.monotonic()
    topic = inspector.topic(name, timeout)
    took = time.monotonic() - began
    if isinstance(topic, Fault):
        advice = "Create the topic, correct its name here, or let this user see it."
        return Step("topic", explain(topic, access.masker), took, reason_for(topic), advice)
    many = "1 partition" if topic.partitions == 1 else f"{topic.partitions} partitions"
    if topic.may_write is False:
        advice = "Whoever runs the cluster grants this user WRITE on the topic."
        return Step("topic", f"{name} may not be written by this user.", took, Reason.PERMANENT_4XX, advice)
    writable = "may be written" if topic.may_write else "whether it may be written the cluster does not tell"
    return Step("topic", f"{name} has {many}; {writable}.", took)


def _failed(name: str, fault: Fault, access: Access, took: float) -> Step:
    return Step(name, explain(fault, access.masker), took, reason_for(fault), _ADVICE[name])


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.1)
