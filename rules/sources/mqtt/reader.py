"""Reads what comes in by a subscription to MQTT topics."""

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from typing import Final
from urllib.parse import quote

from connectors.net.dialling import CannotConnect
from connectors.net.mqtt import MqttClient, QoS, Received, Session
from connectors.types.mqtt.sessions import session_of
from rules.sources.base import Message, Reader, Subscription
from rules.sources.mqtt.source import MqttParams

WINDOW: Final = 1000  # messages that the broker may send before the first is acknowledged
_ANSWER_SECONDS: Final = 15.0
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_MAX_SUBJECT: Final = 1024  # bytes
_SAFE: Final = "/$&'()*+,;=:@!-._~"  # of a topic in a URI


class MqttReader(Reader):
    """A session that outlives its connections: after one has ended, the next brings what was not acknowledged."""

    def __init__(self, subscription: Subscription[MqttParams]) -> None:
        self._subscription = subscription
        self._params = params = subscription.params
        session: Session = session_of(
            subscription.connection,
            client_id=params.client_id or f"switchyard-{subscription.space}-{subscription.id}",
            clean_start=params.session_expiry == 0,
            expiry=params.session_expiry,
        )
        self._client = MqttClient(
            replace(session, receive_maximum=WINDOW),
            on_message=self._take,
            on_unreadable=self._refuse,
        )
        self._known: dict[str, int] = dict(subscription.memory.get(self._client.session.client_id, {}))
        self._received: deque[Message] = deque()
        self._trouble: CannotConnect | None = None
        self._pause = _FIRST_PAUSE
        self._again_at = 0.0

    def open(self) -> None:
        """Connect, and see that the broker has these subscriptions and no former ones."""
        was_there = self._connect()
        wanted: dict[str, int] = dict.fromkeys(self._params.topics, self._params.qos)
        known = self._known if was_there else {}
        self._client.unsubscribe([topic for topic in known if topic not in wanted], _ANSWER_SECONDS)
        # With MQTT 3.1.1 each subscription brings what the broker has kept, those that stand already too.
        is_told = self._client.session.version == "5"
        qos: QoS = self._params.qos
        missing: list[tuple[str, QoS]] = [
            (topic, qos) for topic in wanted if is_told or known.get(topic) != self._params.qos
        ]
        self._client.subscribe(missing, _ANSWER_SECONDS, only_new=True)
        if wanted != self._known:
            self._known = wanted
            self._subscription.remember({self._client.session.client_id: wanted})

    def read(self, most: int, wait: float) -> Sequence[Message]:
        if not self._client.is_connected and not self._connect_again(wait):
            return []
        try:
            came = self._client.pump(0 if self._received else wait)
            while came and len(self._received) < most:
                came = self._client.pump(0)
        except CannotConnect as error:
            self._lose(error)
        return [self._received.popleft() for _ in range(min(most, len(self._received)))]

    def done(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if message.handle is not None:
                self._client.acknowledge(message.handle)

    def idle(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        with suppress(CannotConnect):
            # The broker stops at the window; what has no quality of service is lost where it cannot be stored.
            while self._client.is_connected and (left := ends - time.monotonic()) > 0 and self._has_room():
                self._client.pump(left)
        time.sleep(max(0.0, ends - time.monotonic()))

    def lag(self) -> int | None:
        return None

    def trouble(self) -> CannotConnect | None:
        return self._trouble

    def close(self, *, for_good: bool) -> None:
        with suppress(CannotConnect):
            if for_good and self._client.is_connected:
                self._client.unsubscribe(list(self._known), _ANSWER_SECONDS)
        self._client.disconnect(for_good=for_good)

    def _has_room(self) -> bool:
        return len(self._received) < 2 * WINDOW

    def _connect(self) -> bool:
        """Connect, and return whether the session was still there: then what was not read yet comes again with it."""
        unread, self._received = self._received, deque()
        was_there = False
        try:
            was_there = self._client.connect(_ANSWER_SECONDS)
        finally:
            self._received.extendleft(each for each in reversed(unread) if not (was_there and _is_owed(each)))
        return was_there

    def _connect_again(self, wait: float) -> bool:
        now = time.monotonic()
        if now < self._again_at:
            time.sleep(min(wait, self._again_at - now))
            return False
        try:
            self.open()
        except CannotConnect as error:
            self._lose(error)
            return False
        self._trouble, self._pause = None, _FIRST_PAUSE
        return True

    def _lose(self, error: CannotConnect) -> None:
        self._client.drop()
        self._trouble = error
        self._again_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _take(self, received: Received) -> None:
        if received.retain and not self._params.retained:
            self._client.acknowledge(received)
            return
        self._received.append(_message(self._subscription.connector, received))

    def _refuse(self, size: int) -> None:
        about = {"topic": "", "qos": 0, "retain": False, "content_type": "", "user_properties": {}, "digest": ""}
        unreadable = Message(
            None,
            about,
            place=f"a packet of {size:,} bytes",
            source=f"mqtt://{self._subscription.connector}",
            fault="This is no message of MQTT.",
        )
        self._received.append(unreadable)


def _is_owed(message: Message) -> bool:
    return message.handle is not None and message.handle.qos > 0


def _message(connector: str, received: Received) -> Message:
    topic = received.topic
    properties = dict(received.user_properties)
    digest = blake2b(topic.encode() + b"\0" + received.payload, digest_size=16)
    extensions: dict[str, str | int | bool] = {"mqttqos": received.qos, "mqttretain": received.retain}
    is_printable = topic.isprintable()
    if is_printable:
        extensions["mqtttopic"] = topic
    return Message(
        body=received.payload or None,  # as when a retained message is cleared
        about={
            "topic": topic,
            "qos": received.qos,
            "retain": received.retain,
            "content_type": received.content_type,
            "user_properties": properties,
            "digest": digest.hexdigest(),
        },
        place=f"a message on {topic}",
        source=f"mqtt://{connector}/{quote(topic, safe=_SAFE)}",
        subject=topic if is_printable and len(topic.encode()) <= _MAX_SUBJECT else "",
        fingerprint=digest.digest(),
        extensions=extensions,
        content_type=received.content_type,
        # Others may stand among them, such as those of a delivery.
        attributes=_attributes(properties) if "specversion" in properties else {},
        hop=properties.get("switchyard-hop", ""),
        webhook_id=properties.get("webhook-id", ""),
        handle=received,
    )


def _attributes(properties: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in properties.items() if name.isascii() and name.isalnum() and name.islower()}
