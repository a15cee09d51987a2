"""Sends the messages of one run through a connector's producers."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from connectors.net.kafka import BLOCKED, Fault
from connectors.outcomes import Outcome, Reason
from connectors.types.base import Message, Paced
from connectors.types.kafka.links import Link, Links
from connectors.types.kafka.outcomes import outcome_of
from connectors.types.kafka.records import BadMessage, Record, record_of
from connectors.types.kafka.schemas import KafkaParams
from connectors.types.kafka.settings import KafkaConnection

_AT_ONCE: Final = 100  # messages that are handed over before those under way are looked after
_LOOK: Final = 0.1  # seconds without news after which it looks by itself: another thread may have called back
_LOOK_AT_EACH: Final = 0.01  # seconds, where several producers have messages under way
# With these the way to the cluster is not what it was: the next run finds it anew.
_SPENDING: Final = frozenset({"_MSG_TIMED_OUT", "_TRANSPORT", "_AUTHENTICATION", "_FATAL", "_PURGE_QUEUE", "_SSL"})
# What a producer remembers of a topic, though somebody may have put it right.
_REMEMBERED: Final = frozenset(
    {"_UNKNOWN_TOPIC", "UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_PARTITION", "TOPIC_AUTHORIZATION_FAILED"}
)


class Sending:
    """One run. A message is handed to librdkafka as soon as there is room, and what it reports is an outcome.

    Nothing is under way once its outcome is there, but for one that timed out on its way: the cluster may have it.
    What is handed over when a run is given up goes out all the same, unnoticed.
    """

    def __init__(self, links: Links, connection: KafkaConnection, messages: Iterable[Message[KafkaParams]]) -> None:
        self._links = links
        self._connection = connection
        self._wait = messages.wait if isinstance(messages, Paced) else None
        self._messages = iter(messages)
        self._under_way = 0  # handed over, and not yielded yet
        self._done: deque[Outcome] = deque()  # filled by whichever thread calls back
        self._lent: dict[float | None, Link] = {}
        self._stack = ExitStack()

    def outcomes(self) -> Iterator[Outcome]:
        """Yield one outcome for each message, in any order."""
        with self._stack:
            began = time.monotonic()
            # Before any message is taken: its time has not begun then.
            if refusal := self._link(None).reach():
                took = time.monotonic() - began
                for message in self._messages:
                    yield Outcome(message.key, *refusal, duration=took)
                return
            has_more = True
            while has_more or self._under_way:
                pause, has_more = self._hand_over()
                if not self._done and self._under_way:
                    self._serve(pause)
                while self._done:
                    self._under_way -= 1
                    yield self._done.popleft()

    def _hand_over(self) -> tuple[float, bool]:
        """Take what there is room for; return the seconds to wait for news meanwhile, and whether there may be more."""
        for _ in range(_AT_ONCE):
            if self._under_way >= self._connection.concurrency:
                return _LOOK, True
            if self._wait is not None and self._under_way and (pause := self._wait()) > 0:
                return min(pause, _LOOK), True
            message = next(self._messages, None)
            if message is None:
                return _LOOK, False
            self._under_way += 1
            self._start(message)
        return 0.0, True

    def _serve(self, seconds: float) -> None:
        if len(self._lent) > 1:
            seconds = min(seconds, _LOOK_AT_EACH)
        for link in self._lent.values():
            producer = link.producer
            producer.serve(seconds)
            if producer.is_broken and not link.is_spent:
                link.is_spent = True
                producer.drop_queued()

    def _link(self, timeout: float | None) -> Link:
        if timeout not in self._lent:
            self._lent[timeout] = self._stack.enter_context(self._links.lend(self._connection, timeout))
        return self._lent[timeout]

    def _start(self, message: Message[KafkaParams]) -> None:
        began = time.monotonic()
        try:
            record = record_of(message)
        except BadMessage as error:
            self._done.append(Outcome(message.key, Reason.TEMPLATE_ERROR, str(error)))
            return
        link = self._link(message.timeout)
        if message.timeout is not None and (refusal := link.reach()):
            del self._lent[message.timeout]
            self._done.append(Outcome(message.key, *refusal, duration=time.monotonic() - began))
            return
        report = partial(self._report, message.key, record, link, began)
        fault = link.producer.send(
            report, record.topic, record.value, record.key, record.headers, record.partition, record.timestamp
        )
        if fault is not None:
            report(fault, -1, -1)

    def _report(
        self,
        key: int,
        record: Record,
        link: Link,
        began: float,
        fault: Fault | None,
        partition: int,
        offset: int | None,
    ) -> None:
        took = time.monotonic() - began
        request = {"topic": record.topic, "bytes": len(record.value) if record.value else 0}
        if fault is None:
            self._done.append(_delivered(key, took, request, partition, offset))
            return
        if fault.code in _SPENDING:
            link.is_spent = True
            fault = _behind(fault, link, began)
        elif fault.code in _REMEMBERED:
            link.mistrust()
        self._done.append(outcome_of(fault, key, took, request, link.masker))


def _delivered(key: int, took: float, request: dict[str, Any], partition: int, offset: int | None) -> Outcome:
    response = {"partition": partition, "offset": offset}
    return Outcome(key, Reason.OK, f"Partition {partition}, offset {offset}.", None, took, request, response)


def _behind(fault: Fault, link: Link, began: float) -> Fault:
    """Return what is behind the failure of a message: what its producer said meanwhile, if it said something."""
    said = link.producer.fault
    if said is None or fault.code == "_FATAL":
        return fault
    return said if said.code == BLOCKED or link.producer.fault_at >= began else fault
