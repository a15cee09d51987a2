"""Sends the messages of one run over a connector's connection."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from connectors.net.dialling import CannotConnect
from connectors.net.mqtt import PacketTooLarge
from connectors.net.mqtt_answers import Limits
from connectors.outcomes import Outcome, Reason
from connectors.types.base import Message, Paced
from connectors.types.conversations import BadMessage
from connectors.types.mqtt.links import Link, Links
from connectors.types.mqtt.outcomes import TOO_LARGE, outcome_of, reason_at_end
from connectors.types.mqtt.publications import Publication, publication_of
from connectors.types.mqtt.schemas import MqttParams
from connectors.types.mqtt.sessions import MqttConnection

_AT_ONCE: Final = 100  # messages that are handed over before answers are read
_LOOK: Final = 1.0  # seconds without news after which it looks by itself


@dataclass(frozen=True, slots=True)
class _Pending:
    """A message that waits for its answer: when it was begun and has to be answered, monotonic."""

    key: int
    began: float
    until: float
    request: dict[str, Any]

    def outcome(self, reason: Reason, detail: str) -> Outcome:
        return Outcome(self.key, reason, detail, None, time.monotonic() - self.began, self.request)


class Sending:
    """One run. What the broker answers is an outcome; what was on its way as a connection ended is tried again.

    A connection that left a message unanswered takes no more: what is under way is waited for, and another one made.
    """

    def __init__(self, links: Links, connection: MqttConnection, messages: Iterable[Message[MqttParams]]) -> None:
        self._links = links
        self._connection = connection
        self._wait = messages.wait if isinstance(messages, Paced) else None
        self._messages = iter(messages)
        self._pending: dict[int, _Pending] = {}  # by packet id
        self._done: deque[Outcome] = deque()
        self._is_tired = False  # a message had no answer in time
        self._has_answered = True  # since the connection was made

    def outcomes(self) -> Iterator[Outcome]:
        """Yield one outcome for each message, in any order."""
        with self._links.lend(self._connection) as link:
            try:
                yield from self._run(link)
            finally:
                # Given up in the middle, or an answer may still come: it would be taken for another message's.
                if self._pending or self._is_tired:
                    link.client.drop()

    def _run(self, link: Link) -> Iterator[Outcome]:
        has_more = True
        while has_more or self._pending:
            began = time.monotonic()
            if not self._pending and (refusal := self._reach(link)):
                took = time.monotonic() - began
                yield from self._done
                yield from self._refuse_all(refusal, took)
                return
            pause, has_more = self._hand_over(link)
            if self._pending and not self._done:
                self._look(link, pause)
            while self._done:
                yield self._done.popleft()

    def _reach(self, link: Link) -> CannotConnect | None:
        if link.client.is_connected and not self._is_tired:
            return None
        if not self._has_answered:
            return CannotConnect(Reason.RETRY_CONNECT, "The broker ends each connection before it answers.")
        link.client.drop()
        self._is_tired = self._has_answered = False
        return link.reach()

    def _refuse_all(self, refusal: CannotConnect, took: float) -> Iterator[Outcome]:
        for message in self._messages:
            yield Outcome(message.key, refusal.reason, refusal.detail, duration=took)

    def _hand_over(self, link: Link) -> tuple[float, bool]:
        """Take what there is room for; return the seconds to wait for news meanwhile, and whether there may be more."""
        room = min(self._connection.concurrency, link.client.limits.under_way)
        for _ in range(_AT_ONCE):
            if len(self._pending) >= room or self._is_tired or not link.client.is_connected:
                return _LOOK, True
            if self._wait is not None and self._pending and (pause := self._wait()) > 0:
                return min(pause, _LOOK), True
            message = next(self._messages, None)
            if message is None:
                return _LOOK, False
            self._start(link, message)
        return 0.0, True

    def _start(self, link: Link, message: Message[MqttParams]) -> None:
        began = time.monotonic()
        try:
            publication = publication_of(message)
        except BadMessage as error:
            self._done.append(Outcome(message.key, Reason.TEMPLATE_ERROR, str(error)))
            return
        request = {"topic": publication.topic, "qos": publication.qos, "bytes": len(publication.payload)}
        timeout = link.timeout if message.timeout is None else min(message.timeout, link.timeout)
        pending = _Pending(message.key, began, began + timeout, request)
        if why := _beyond(link.client.limits, publication):
            self._done.append(pending.outcome(Reason.PERMANENT_4XX, why))
            return
        try:
            packet = link.client.publish(
                publication.topic,
                publication.payload,
                publication.qos,
                retain=publication.retain,
                sent=publication.sent,
            )
        except PacketTooLarge as error:
            self._done.append(pending.outcome(Reason.TOO_LARGE, str(error)))
        except CannotConnect as error:
            self._done.append(pending.outcome(error.reason, error.detail))
        else:
            self._pending[packet] = pending
            self._read_answers(link)

    def _look(self, link: Link, seconds: float) -> None:
        """Wait so long for answers, or until a message has to have had one."""
        now = time.monotonic()
        until = min(pending.until for pending in self._pending.values())
        try:
            link.client.pump(min(seconds, max(until - now, 0.0)))
        except CannotConnect as error:
            self._read_answers(link)
            self._lose_all(link, error)
            return
        self._read_answers(link)
        self._drop_overdue(time.monotonic())

    def _read_answers(self, link: Link) -> None:
        while link.published:
            packet, answer = link.published.popleft()
            if pending := self._pending.pop(packet, None):
                self._has_answered = True
                took = time.monotonic() - pending.began
                self._done.append(outcome_of(answer, pending.key, took, pending.request, link.masker))

    def _lose_all(self, link: Link, error: CannotConnect) -> None:
        ended = link.client.ended
        lost, self._pending = list(self._pending.values()), {}
        if ended is not None and ended.code == TOO_LARGE and lost:
            # One of them was: none is larger than this one.
            largest = max(lost, key=lambda pending: int(pending.request["bytes"]))
            lost.remove(largest)
            self._done.append(largest.outcome(Reason.TOO_LARGE, "The broker takes no message of this size."))
            self._has_answered = True
        reason = reason_at_end(ended)
        self._done.extend(pending.outcome(reason, f"{error.detail} It may have the message.") for pending in lost)

    def _drop_overdue(self, now: float) -> None:
        for packet, pending in list(self._pending.items()):
            if pending.until <= now:
                del self._pending[packet]
                self._is_tired = True
                detail = "The broker did not answer in time; it may have the message."
                self._done.append(pending.outcome(Reason.RETRY_TIMEOUT, detail))


def _beyond(limits: Limits, publication: Publication) -> str:
    """Return what the broker has said that it does not take of this message; empty for nothing."""
    if publication.qos > limits.qos:
        return f"qos: the broker takes no more than QoS {limits.qos}."
    if publication.retain and not limits.retain:
        return "retain: the broker keeps no messages."
    return ""
