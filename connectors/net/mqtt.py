"""MQTT 5 and 3.1.1 (OASIS standards) over paho, under the network policy.

A client belongs to one thread, which gives it time to read and write with ``pump``: nothing happens in between, and
what comes in is handed over there. Paho's own threads and reconnecting are left out, as they open sockets unasked.
"""

import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from connectors.net.dialling import CannotConnect, dial
from connectors.net.mqtt_answers import Answer, Limits, answer_of, limits_of, why_refused
from connectors.net.mqtt_session import PatientClient
from connectors.net.policy import NetworkPolicy
from connectors.net.terms import Overrides
from connectors.net.urls import Origin
from connectors.outcomes import Reason

Version = Literal["5", "3.1.1"]
QoS = Literal[0, 1, 2]

MAX_TOPIC: Final = 65_535  # bytes of UTF-8 (MQTT 5, section 1.5.4)
_MAX_HEADER: Final = 9  # bytes of a PUBLISH beside topic, properties and payload, at the most (MQTT 5, section 3.3)
_READ_AT_ONCE: Final = 256  # packets, before what is to be written gets its turn
_MAX_ANSWER: Final = 256 * 1024  # bytes of a packet for a client that takes no messages: two long properties
# What paho raises over bytes that are no packet.
_NO_MQTT: Final = (MQTTException, struct.error, ValueError, LookupError, AssertionError)
_IF_NEW: Final = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
_ALWAYS: Final = SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE


@dataclass(frozen=True, slots=True)
class Session:
    """Whom to connect to, and as whom.

    ``origin`` has the scheme ``mqtt`` or ``mqtts``, which is over TLS. ``clean_start`` drops what the broker kept of
    this ``client_id``; it keeps the session for ``expiry`` seconds after the connection (MQTT 3.1.1: for as long as
    the broker likes, or not at all when ``expiry`` is 0). ``receive_maximum`` is how many messages of QoS 1 and 2 the
    broker sends before the first of them is acknowledged (MQTT 5). ``keepalive`` is in seconds.
    """

    origin: Origin
    client_id: str
    version: Version = "5"
    username: str = ""
    password: str = field(default="", repr=False)
    overrides: Overrides = field(default_factory=Overrides)
    keepalive: int = 60
    clean_start: bool = True
    expiry: int = 0
    receive_maximum: int = 0


@dataclass(frozen=True, slots=True)
class Received:
    """A message that came in. ``content_type`` and ``user_properties`` are empty with MQTT 3.1.1.

    ``retain`` says that the broker had kept it from before the subscription, ``dup`` that it sends it again.
    ``session``, ``connection`` and ``packet`` say to whom it is acknowledged: they are of no use to anybody else.
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    content_type: str
    user_properties: tuple[tuple[str, str], ...]
    session: int
    connection: int
    packet: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What a message takes along beside its payload; only MQTT 5 knows these. ``expiry`` is in seconds."""

    content_type: str = ""
    user_properties: tuple[tuple[str, str], ...] = ()
    response_topic: str = ""
    correlation: bytes = b""
    expiry: int | None = None


class PacketTooLarge(Exception):
    """The broker has said that it reads no packet of this size."""


class MqttClient:
    """One connection to a broker. After it ended, ``connect`` makes another one.

    ``on_message`` gets each message that comes in, ``on_published`` the packet id of each that the broker has taken or
    refused, with what it says; ``on_unreadable`` how large a message was that cannot be read, and that the broker is
    not to send again. ``limits`` are the broker's, ``refused`` is what it said to a connection that it refused and
    ``ended`` what it said as it ended one, None for nothing.
    """

    def __init__(
        self,
        session: Session,
        *,
        on_message: Callable[[Received], None] | None = None,
        on_published: Callable[[int, Answer], None] | None = None,
        on_unreadable: Callable[[int], None] | None = None,
    ) -> None:
        self.session = session
        self._on_message = on_message
        self._on_published = on_published
        self._session = 0
        self._connection = 0
        self._answer: tuple[Answer, bool] | None = None
        self.limits = Limits()
        self.refused: Answer | None = None
        self.ended: Answer | None = None
        self._granted: dict[int, Sequence[ReasonCode]] = {}
        self._unsubscribed: set[int] = set()
        is_v5 = session.version == "5"
        self._paho = PatientClient(
            CallbackAPIVersion.VERSION2,
            client_id=session.client_id,
            clean_session=None if is_v5 else session.clean_start,
            protocol=MQTTProtocolVersion.MQTTv5 if is_v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        if session.username:
            self._paho.username_pw_set(session.username, session.password or None)
        # One's own window is the caller's: it publishes no more than it wants to have under way.
        self._paho.max_inflight_messages_set(65_535)
        self._paho.on_connect = self._see_connack
        self._paho.on_disconnect = self._see_disconnect
        self._paho.on_subscribe = self._see_suback
        self._paho.on_unsubscribe = self._see_unsuback
        self._paho.on_message = self._see_message
        self._paho.on_publish = self._see_published
        self._paho.on_unreadable = on_unreadable

    @property
    def is_connected(self) -> bool:
        """Whether the broker has accepted the connection and it has not ended since, as far as is known."""
        return self._paho.socket() is not None and self._paho.is_connected()

    def connect(self, timeout: float, over: socket.socket | None = None) -> bool:
        """Connect, over a socket that is open already if there is one; raise CannotConnect.

        Returns whether the broker still had the session of this client id.
        """
        deadline = time.monotonic() + timeout
        session = self.session
        if over is None:
            policy = NetworkPolicy.current()
            tls = policy.terms_for(session.origin, session.overrides).tls if session.origin.scheme == "mqtts" else None
            over = dial(policy, session.origin, tls, timeout)
        self._connection += 1
        self._answer = self.refused = self.ended = None
        self._paho.open_socket = over
        self._paho.connect_async(
            session.origin.host,
            session.origin.port,
            keepalive=session.keepalive,
            clean_start=session.clean_start,
            properties=self._connect_properties(),
        )
        try:
            self._paho.reconnect()
            self._pump_until(lambda: self._answer is not None, deadline, "The broker did not answer in time.")
        except CannotConnect:
            self.drop()
            raise
        assert self._answer is not None
        answer, session_present = self._answer
        if answer.is_refusal:
            self.drop()
            self.refused = answer
            raise CannotConnect(why_refused(answer), f"The broker refused the connection: {answer.name}.")
        if not session_present:
            self._session += 1
            self._paho.forget_session()
        return session_present

    def subscribe(self, topics: Sequence[tuple[str, QoS]], timeout: float, *, only_new: bool = False) -> None:
        """Subscribe to topic filters; raise CannotConnect, with the filter that the broker refuses.

        With ``only_new`` the broker sends retained messages only where there was no such subscription (MQTT 5).
        """
        if not topics:
            return
        if self.session.version == "5":
            retained = _IF_NEW if only_new else _ALWAYS
            wanted: list[Any] = [(topic, SubscribeOptions(qos=qos, retainHandling=retained)) for topic, qos in topics]
        else:
            wanted = list(topics)
        _, packet = self._paho.subscribe(wanted)
        assert packet is not None
        deadline = time.monotonic() + timeout
        self._pump_until(lambda: packet in self._granted, deadline, "The broker did not answer to the subscription.")
        for (topic, _), reason in zip(topics, self._granted.pop(packet), strict=False):
            if reason.is_failure:
                detail = f"The broker refused to subscribe to {topic}: {str(reason).lower()}."
                raise CannotConnect(Reason.BAD_CONFIG, detail)

    def unsubscribe(self, topics: Sequence[str], timeout: float) -> None:
        """End subscriptions; raise CannotConnect when the broker does not answer."""
        if topics:
            _, packet = self._paho.unsubscribe(list(topics))
            assert packet is not None
            deadline = time.monotonic() + timeout
            self._pump_until(lambda: packet in self._unsubscribed, deadline, "The broker did not answer.")
            self._unsubscribed.discard(packet)

    def publish(self, topic: str, payload: bytes, qos: QoS, *, retain: bool = False, sent: Sent | None = None) -> int:
        """Send a message; return the packet id that ``on_published`` will tell of, by then or later.

        Raises ValueError for a topic that nothing can be published to, PacketTooLarge for what the broker does not
        read, CannotConnect without a connection.
        """
        properties = self._publish_properties(sent)
        if self.limits.packet is not None:
            packed = properties.pack() if properties is not None else b"\0"
            size = _MAX_HEADER + len(topic.encode()) + len(packed) + len(payload)
            if size > self.limits.packet:
                raise PacketTooLarge(f"The message has {size:,} bytes; the broker takes {self.limits.packet:,}.")
        info = self._paho.publish(topic, payload, qos, retain, properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise CannotConnect(Reason.RETRY_CONNECT, "The connection has ended.")
        return info.mid

    def acknowledge(self, message: Received) -> None:
        """Tell the broker that it may forget a message; where the connection has ended, once it sends that again."""
        if not message.qos or message.session != self._session:
            return
        if message.connection == self._connection and self.is_connected:
            self._paho.ack(message.packet, message.qos)
        else:
            self._paho.owe(message.packet, message.qos)

    def pump(self, seconds: float) -> bool:
        """Read and write for a turn, waiting up to ``seconds`` for something to do; whether anything came in.

        Raises CannotConnect once the connection has ended.
        """
        connected = self._paho.socket()
        if connected is None:
            raise self._why_ended()
        poll = select.poll()
        poll.register(connected, select.POLLIN | (select.POLLOUT if self._paho.want_write() else 0))
        # TLS may have read more than it gave away.
        buffered = bool(getattr(connected, "pending", lambda: 0)())
        ready = poll.poll(0 if buffered else max(seconds, 0.0) * 1000)
        can_read = buffered or any(event & ~select.POLLOUT for _, event in ready)
        if can_read:
            self._read()
        if self._paho.want_write():
            self._check(self._paho.loop_write())
        self._check(self._paho.loop_misc())
        return can_read

    def disconnect(self, *, for_good: bool = False) -> None:
        """Say goodbye and close; ``for_good`` has the broker drop the session (MQTT 5)."""
        if self.is_connected:
            properties = None
            if for_good and self.session.version == "5":
                properties = Properties(PacketTypes.DISCONNECT)
                properties.SessionExpiryInterval = 0
            self._paho.disconnect(properties=properties)
            for _ in range(100):
                if not self._paho.want_write() or self._paho.loop_write() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    break
        self.drop()

    def drop(self) -> None:
        """Close the connection without a word: the broker takes it for a failure."""
        self._paho.close_socket()

    def _read(self) -> None:
        poll = select.poll()
        for _ in range(_READ_AT_ONCE):
            connected = self._paho.socket()
            if connected is None:
                break
            try:
                self._check(self._paho.loop_read())
            except _NO_MQTT:
                raise self._give_up("What answers does not speak MQTT.") from None
            if self._on_message is None and self._paho.incoming > _MAX_ANSWER:
                raise self._give_up("What answers sends more than an MQTT broker has to say.")
            if (connected := self._paho.socket()) is None:
                break
            poll.register(connected, select.POLLIN)
            if not getattr(connected, "pending", lambda: 0)() and not poll.poll(0):
                break

    def _pump_until(self, condition: Callable[[], bool], deadline: float, otherwise: str) -> None:
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                raise CannotConnect(Reason.RETRY_TIMEOUT, otherwise)
            try:
                self.pump(min(left, 1.0))
            except CannotConnect:
                # A broker that refuses closes right after its answer.
                if condition():
                    return
                raise

    def _give_up(self, why: str) -> CannotConnect:
        self._paho.close_socket()
        return CannotConnect(Reason.RETRY_CONNECT, why)

    def _check(self, code: MQTTErrorCode) -> None:
        if code == MQTTErrorCode.MQTT_ERR_PROTOCOL:
            raise self._give_up("What answers does not speak MQTT.")
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or self._paho.socket() is None:
            self._paho.close_socket()
            raise self._why_ended()

    def _why_ended(self) -> CannotConnect:
        why = f": {self.ended.name}" if self.ended else ""
        return CannotConnect(Reason.RETRY_CONNECT, f"The broker ended the connection{why}.")

    def _connect_properties(self) -> Properties | None:
        if self.session.version != "5":
            return None
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self.session.expiry
        if self.session.receive_maximum:
            properties.ReceiveMaximum = self.session.receive_maximum
        return properties

    def _publish_properties(self, sent: Sent | None) -> Properties | None:
        if sent is None or self.session.version != "5":
            return None
        properties = Properties(PacketTypes.PUBLISH)
        if sent.content_type:
            properties.ContentType = sent.content_type
        if sent.user_properties:
            properties.UserProperty = list(sent.user_properties)
        if sent.response_topic:
            properties.ResponseTopic = sent.response_topic
        if sent.correlation:
            properties.CorrelationData = sent.correlation
        if sent.expiry is not None:
            properties.MessageExpiryInterval = sent.expiry
        return properties

    def _see_connack(self, client: Any, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._answer = answer_of(reason, properties), flags.session_present
        self.limits = limits_of(properties)

    def _see_disconnect(self, client: Any, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self.ended = answer_of(reason, properties)

    def _see_suback(self, client: Any, data: Any, packet: int, reasons: Sequence[ReasonCode], properties: Any) -> None:
        self._granted[packet] = reasons

    def _see_unsuback(self, client: Any, data: Any, packet: int, reasons: Any, properties: Any) -> None:
        self._unsubscribed.add(packet)

    def _see_published(self, client: Any, data: Any, packet: int, reason: ReasonCode, properties: Any) -> None:
        if self._on_published is not None:
            self._on_published(packet, answer_of(reason, properties))

    def _see_message(self, client: Any, data: Any, message: MQTTMessage) -> None:
        if self._on_message is None:
            return
        try:
            topic = message.topic
        except UnicodeDecodeError:  # which the standard forbids
            topic = ""
        properties = message.properties
        self._on_message(
            Received(
                topic=topic,
                payload=bytes(message.payload),
                qos=message.qos,
                retain=message.retain,
                dup=message.dup,
                content_type=getattr(properties, "ContentType", ""),
                user_properties=tuple(getattr(properties, "UserProperty", ())),
                session=self._session,
                connection=self._connection,
                packet=message.mid,
            )
        )
