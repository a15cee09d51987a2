"""Kafka's protocol: librdkafka, by way of confluent-kafka, held to the network policy.

librdkafka connects by itself, to the servers that a person named and to all that the cluster then advertises. It asks
the application to look up each host, also one that is an address (``rd_kafka_conf_set_resolve_cb`` in its rdkafka.h),
and connects to what comes back and nothing else. Here each host and each of its addresses is judged at that moment. So
neither what a cluster advertises nor a name that changes its address gets past the policy; connectors/net/librdkafka.py
has how that callback is set.
"""

import logging
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from connectors.net.librdkafka import drop_queued, guard, release
from connectors.net.policy import BlockedTarget, NetworkPolicy
from connectors.net.urls import BadUrl, Origin, parse_authority

logger = logging.getLogger(__name__)

Headers = list[tuple[str, str | bytes | None]]
# The access token, the time of its end in seconds since 1970, the principal, and SASL extensions.
Token = tuple[str, float, str, dict[str, str]]

BLOCKED: Final = "_BLOCKED"  # a code of ours among those of librdkafka
_LOOK: Final = 0.1  # seconds
_LOOK_CLOSELY: Final = 0.005  # seconds, where it is told how long each step took
# What no further try of the same connection would change.
_FINAL: Final = frozenset({"_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED", BLOCKED})


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something did not work: librdkafka's name of the error, such as ``_TRANSPORT``, and its words, not masked."""

    code: str
    said: str


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the cluster describes it. ``may_write`` is None where the cluster does not tell."""

    partitions: int
    may_write: bool | None


class Client:
    """A client of one cluster. ``settings`` are librdkafka's, without servers; ``mask`` takes secrets out of its logs.

    ``fault`` is the last error that came without a message, and ``fault_at`` its monotonic time. A client that
    ``is_broken`` is of no more use. ``token`` is asked for access tokens where the settings say OAUTHBEARER; what it
    raises stays with the one who asks. ``on_log`` gets each line that librdkafka logs.
    """

    def __init__(
        self,
        make: Callable[..., Any],
        settings: Mapping[str, Any],
        servers: Sequence[Origin],
        policy: NetworkPolicy,
        mask: Callable[[str], str],
        token: Callable[[], Token] | None = None,
        on_log: Callable[[str, str], None] | None = None,
    ) -> None:
        self.fault: Fault | None = None
        self.fault_at = float("-inf")
        self.is_broken = False
        self._is_cut_off = False
        self._mask = mask
        self._on_log = on_log
        this = weakref.ref(self)  # or the handle, which is kept until it is closed, would keep its client
        hooks: dict[str, Any] = {"error_cb": lambda error: _tell(this, error)}
        if token is not None:
            hooks["oauth_cb"] = lambda _: token()
        self._held = [make({**settings, **hooks}, logger=_Log(this))]
        self._close = weakref.finalize(self, release, self._held)
        guard(self.handle, _Guard(policy, this).check, [server.authority for server in servers])

    @property
    def handle(self) -> Any:
        """The client of confluent-kafka; raise RuntimeError once this one is closed."""
        if not self._held:
            raise RuntimeError("This client is closed.")
        return self._held[0]

    @classmethod
    def open(cls, *arguments: Any, **options: Any) -> Self | Fault:
        """Return a client, or why librdkafka does not take its settings."""
        try:
            return cls(*arguments, **options)
        except KafkaException as error:
            return _fault_of(error)

    def reach(self, timeout: float) -> Fault | None:
        """Wait until the cluster has answered; return why it has not, at the latest after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            self.serve(0)
            if self.fault is not None and (self._is_cut_off or self.fault.code in _FINAL):
                return self.fault
            left = deadline - time.monotonic()
            if left <= 0:
                return self.fault or Fault("_TIMED_OUT", "")
            if self.has_answered(left):
                return None

    def has_answered(self, seconds: float) -> bool:
        """Whether the cluster has told about itself; waits for it, at most so long and in short turns."""
        raise NotImplementedError

    def serve(self, seconds: float) -> None:
        """Call back what is due, and wait so long for something that is."""
        try:
            self.handle.poll(seconds)
        except KafkaException as error:  # the one way in which it tells of an error that ends the client
            self.is_broken = True
            self._note(_fault_of(error))

    def close(self) -> None:
        """Drop what is under way and end all connections; closing twice is allowed."""
        self._close()

    def block(self, why: str) -> None:
        """Note that a server is not allowed."""
        self._note(Fault(BLOCKED, why))
        self.is_broken = True

    def log(self, level: int, facility: str, line: str) -> None:
        """Take a line of librdkafka's."""
        if facility != "CONFWARN":  # it misses servers in the settings
            logger.debug("librdkafka: %s", self._mask(f"{facility} {line}"))
        if facility == "FAIL" and "Disconnected" in line and level > logging.DEBUG:
            # A connection that the other side ends is no error to librdkafka.
            self._note(Fault("_TRANSPORT", line.partition("]: ")[2]))
        if self._on_log is not None:
            self._on_log(facility, line)

    def see(self, error: KafkaError) -> None:
        """Take an error that came without a message."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._is_cut_off = True
            return
        if self.fault is None or self.fault.code != BLOCKED:
            self._note(_fault(error))

    def _note(self, fault: Fault) -> None:
        self.fault, self.fault_at = fault, time.monotonic()


class Producer(Client):
    """Sends messages. May be used by several threads, of which each may call back what another one sent."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(confluent_kafka.Producer, *arguments, **options)

    def has_answered(self, seconds: float) -> bool:
        try:
            self.handle.cluster_id(min(seconds, _LOOK))
        except KafkaException:
            return False
        return True

    def send(
        self,
        done: Callable[[Fault | None, int, int], None],
        topic: str,
        value: bytes | None,
        key: bytes | None,
        headers: Headers,
        partition: int = -1,
        timestamp: int = 0,
    ) -> Fault | None:
        """Hand a message over, or return why that cannot be.

        ``done`` is called later, out of ``serve``, with why it failed, or None and its partition and offset.
        """

        def report(error: KafkaError | None, message: Any) -> None:
            if error is None:
                done(None, message.partition(), message.offset())
            else:
                done(_fault(error), -1, -1)

        try:
            self.handle.produce(topic, value, key, partition, report, timestamp=timestamp, headers=headers)
        except KafkaException as error:
            return _fault(error.args[0])
        except BufferError:
            return Fault("_QUEUE_FULL", "")
        return None

    def drop_queued(self) -> None:
        """Fail the messages that have not begun to be sent."""
        drop_queued(self.handle)


class Inspector(Client):
    """Looks at a cluster."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(AdminClient, *arguments, **options)
        self._is_asked = False

    def has_answered(self, seconds: float) -> bool:
        if not self._is_asked:
            self.handle.describe_cluster(request_timeout=max(seconds, 1.0))  # it connects for nothing less
            self._is_asked = True
        try:
            self.handle.cluster_id(min(seconds, _LOOK_CLOSELY))
        except KafkaException:
            return False
        return True

    def brokers(self, timeout: float) -> list[Origin | str] | Fault:
        """Return the servers that the cluster advertises, as text where one is none."""
        try:
            # A topic is asked for because all of them may be many; this one need not be there.
            found = self.handle.list_topics("switchyard", timeout=timeout).brokers.values()
        except KafkaException as error:
            return _fault_of(error)
        return [_origin(f"{broker.host}:{broker.port}") for broker in found]

    def topic(self, name: str, timeout: float) -> Topic | Fault:
        """Return what the cluster says of a topic, which this does not create."""
        described = self.handle.describe_topics(
            confluent_kafka.TopicCollection([name]), include_authorized_operations=True, request_timeout=timeout
        )
        try:
            found = described[name].result(timeout + 1)
        except (KafkaException, TimeoutError) as error:
            return _fault_of(error)
        allowed = found.authorized_operations
        may_write = None if allowed is None else any(operation.name in ("WRITE", "ALL") for operation in allowed)
        return Topic(len(found.partitions), may_write)


class _Log:
    """What librdkafka logs to, in place of the standard error output."""

    def __init__(self, client: "weakref.ref[Client]") -> None:
        self._client = client

    def log(self, level: int, _form: str, facility: str, name: str, line: str) -> None:
        if (client := self._client()) is not None:
            client.log(level, facility, line)


class _Guard:
    """Judges what one client connects to."""

    def __init__(self, policy: NetworkPolicy, client: "weakref.ref[Client]") -> None:
        self._policy = policy
        self._client = client

    def check(self, host: str, addresses: Sequence[str]) -> bool:
        """Whether the client may connect to a host that has these addresses; if not, it is told why."""
        try:
            server = _origin(f"[{host}]" if ":" in host else host)
            if isinstance(server, str):
                raise BlockedTarget("The cluster advertises a server that is none.")
            self._policy.check_host(server)
            # One denied address is enough: a name that points both ways is set up to get around this check.
            if any(self._policy.is_denied(address) for address in addresses):
                raise BlockedTarget(self._policy.why_denied(server.host))
        except BlockedTarget as error:
            if (client := self._client()) is not None:
                client.block(str(error))
            return False
        return True


def _tell(client: "weakref.ref[Client]", error: KafkaError) -> None:
    if (found := client()) is not None:
        found.see(error)


def _origin(name: str) -> Origin | str:
    """Return where a server is, of which librdkafka says ``protocol://host:port/id``; the text if it is none."""
    authority = name.rpartition("://")[2].partition("/")[0]
    if authority.count(":") > 1 and not authority.startswith("["):
        host, _, port = authority.rpartition(":")
        authority = f"[{host}]:{port}"
    try:
        return parse_authority("kafka", authority)
    except BadUrl:
        return name


def _fault(error: KafkaError) -> Fault:
    return Fault(error.name(), error.str())


def _fault_of(error: Exception) -> Fault:
    first = error.args[0] if error.args else None
    return _fault(first) if isinstance(first, KafkaError) else Fault("_TIMED_OUT", "")
