"""Lanes: one thread a connector, so that a slow system holds up nobody but itself.

A lane works off what the evaluation handed over (already leased), then claims what else is due, and ends when there
has been nothing for a while. All lanes of a process share one recorder.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from pydantic import ValidationError

from actions.engine import leases
from actions.engine.leases import Leased
from actions.engine.outcomes import Finished
from actions.engine.recorder import Recorder
from connectors.models import Connector
from connectors.net.policy import NetworkPolicy
from connectors.outcomes import Outcome, Reason
from connectors.services import CannotOpen, open_connection
from connectors.services.status import Watch
from connectors.types.base import AnyConnection, AnyConnectorType, AnyMessage, Message
from connectors.types.registry import get_type

logger = logging.getLogger(__name__)

MAX_LANES: Final = 64  # of one process; a connector beyond them waits for a lane to end
_IDLE: Final = 10.0  # seconds that a lane waits for more work before it ends
_MARGIN: Final = 5.0  # seconds between the latest end of a try and the end of its lease
_MOST_AT_ONCE: Final = 1000  # deliveries of one claim
_WORK_AHEAD: Final = 2.0  # seconds of work, at the lane's pace, that it takes under lease ahead of time
_QUICK: Final = 1000.0  # deliveries a second from which it pays to wait for a lane
_GLANCE: Final = 0.1  # seconds that show whether a lane is quick
_NEARLY_DONE: Final = 200  # deliveries that a lane may have left and still counts as caught up
_SLOW_FOR: Final = 10.0  # seconds for which a lane that was not quick is not waited for
_SUSPECTS_EVERY: Final = 8  # claims


@dataclass(frozen=True, slots=True)
class Batch:
    """Deliveries leased together, and the monotonic time of the lease."""

    deliveries: Sequence[Leased]
    leased_at: float

    def start_by(self) -> float:
        """Return the monotonic time after which none may be started: the try could outlive the lease."""
        return self.leased_at + settings.LEASE_SECONDS - NetworkPolicy.current().longest_timeout() - _MARGIN


class Lanes:
    """The lanes of this process."""

    def __init__(self) -> None:
        self._lanes: dict[int, Lane] = {}
        self._lock = threading.Lock()
        self._recorder = Recorder(self.wake)
        self._stopping = False

    def wake(self, connector_id: int) -> None:
        """Have the connector's lane look for due deliveries."""
        self._send(connector_id, None)

    def has_room(self, connector_id: int) -> bool:
        """Whether deliveries of this connector that are made now would be sent at once."""
        with self._lock:
            lane = self._lanes.get(connector_id)
            if lane is None:
                return not self._stopping and len(self._lanes) < MAX_LANES
            return lane.has_room

    def hand_over(self, connector_id: int, batch: Batch) -> None:
        """Give deliveries that this process leased to their lane; without one they go back to the queue."""
        if not self._send(connector_id, batch):
            leases.release(batch.deliveries)

    def let_catch_up(self) -> None:
        """Wait while lanes work off what they have, as long as they are quick; never for a slow one.

        What is made meanwhile would find no room, and be claimed from the database instead. And two busy threads of
        one interpreter hinder each other more than they help.
        """
        with self._lock:
            lanes = list(self._lanes.values())
        for lane in lanes:
            lane.let_catch_up()

    def stop(self) -> None:
        """Start nothing more, finish and record what is under way, give back the rest."""
        with self._lock:
            self._stopping = True
            lanes = list(self._lanes.values())
        for lane in lanes:
            lane.stop()
        for lane in lanes:
            lane.join()
        self._recorder.stop()
        with self._lock:
            self._stopping = False

    def _send(self, connector_id: int, batch: Batch | None) -> bool:
        with self._lock:
            lane = self._lanes.get(connector_id)
            if lane is None:
                if self._stopping or len(self._lanes) >= MAX_LANES:
                    return False
                lane = self._lanes[connector_id] = Lane(connector_id, self._recorder, self._forget)
                lane.start()
            return lane.send(batch)

    def _forget(self, lane: "Lane", *, only_if_idle: bool) -> bool:
        with self._lock:
            if only_if_idle and not lane.is_idle:
                return False
            if self._lanes.get(lane.connector_id) is lane:
                del self._lanes[lane.connector_id]
            return True


class Lane(threading.Thread):
    """The thread that delivers for one connector."""

    def __init__(self, connector_id: int, recorder: Recorder, forget: "Forget") -> None:
        super().__init__(name=f"lane-{connector_id}", daemon=True)
        self.connector_id = connector_id
        self._recorder = recorder
        self._forget = forget
        self._changed = threading.Condition()
        self._handed_over: deque[Batch] = deque()
        self._waiting = 0  # deliveries in _handed_over
        self._woken = True  # there may be something to claim
        self._behind = False  # the database holds due work, so newcomers queue up there
        self._stopping = False
        self._pace = _QUICK  # deliveries a second, as lately seen
        self._finished = 0
        self._left = 0  # deliveries of the present batch without an outcome
        self._slow_until = 0.0  # monotonic
        self._claims = 0
        self._watch = Watch(connector_id)
        self._opened: tuple[int, AnyConnectorType, AnyConnection] | None = None

    @property
    def has_room(self) -> bool:
        with self._changed:
            return not self._stopping and not self._behind and self._waiting < self._pace * _WORK_AHEAD

    @property
    def is_idle(self) -> bool:
        with self._changed:
            return not self._handed_over and not self._woken

    def send(self, batch: Batch | None) -> bool:
        """Take leased deliveries, or with None the news that some are due. False when the lane is ending."""
        with self._changed:
            if self._stopping:
                return False
            if batch is None:
                self._woken = self._behind = True
            else:
                self._handed_over.append(batch)
                self._waiting += len(batch.deliveries)
            self._changed.notify()
            return True

    def let_catch_up(self) -> None:
        """Wait until the lane is nearly done, as long as it is quick."""
        while not self._has_caught_up() and time.monotonic() >= self._slow_until:
            before = self._finished
            with self._changed:
                caught_up = self._changed.wait_for(self._has_caught_up, _GLANCE)
            if not caught_up and self._finished - before < _QUICK * _GLANCE:
                self._slow_until = time.monotonic() + _SLOW_FOR

    def _has_caught_up(self) -> bool:
        return self._stopping or self._waiting + self._left <= _NEARLY_DONE

    def stop(self) -> None:
        """Start nothing more; the thread ends when what is under way is finished."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def run(self) -> None:
        try:
            while self._work() or not (self._stopping or self._forget(self, only_if_idle=True)):
                pass
        except (DatabaseError, InterfaceError) as error:
            logger.warning("Connector %d waits for the database: %s", self.connector_id, error)
        except Exception:
            logger.exception("The lane of connector %d failed; its deliveries are tried again.", self.connector_id)
        finally:
            self.stop()
            self._forget(self, only_if_idle=False)
            self._give_back()
            self._tell_status(is_last=True)
            connection.close()

    def _work(self) -> bool:
        """Deliver one batch, or wait for one; False when there was none for a while or the lane has to end."""
        if self.is_idle:
            self._tell_status(is_last=True)
        with self._changed:
            if not (self._handed_over or self._woken or self._stopping):
                self._changed.wait(_IDLE)
            if self._stopping or not (self._handed_over or self._woken):
                return False
            batch = self._handed_over.popleft() if self._handed_over else None
            if batch is not None:
                self._waiting -= len(batch.deliveries)
            else:
                self._woken = False  # before the look, so that a wake-up during it is not lost
        batch = batch or self._claim()
        if batch is not None:
            self._deliver(batch)
        return not self._stopping

    def _claim(self) -> Batch | None:
        limit = min(_MOST_AT_ONCE, max(settings.CONNECTOR_CONCURRENCY, int(self._pace * _WORK_AHEAD)))
        self._claims += 1
        leased_at = time.monotonic()
        claimed = leases.claim(self.connector_id, limit, suspects_first=self._claims % _SUSPECTS_EVERY == 0)
        with self._changed:
            self._behind = len(claimed) == limit
            self._woken = self._woken or bool(claimed)
        return Batch(claimed, leased_at) if claimed else None

    def _deliver(self, batch: Batch) -> None:
        began = time.monotonic()
        waiting = deque(batch.deliveries)
        self._left = len(waiting)
        connector = Connector.objects.filter(pk=self.connector_id).first()
        try:
            if connector is None:
                self._refuse_all(waiting, "", Reason.BAD_CONFIG, "The connector was deleted.")
            elif connector.enabled:
                self._watch.begin(connector)
                self._send_all(connector, batch, waiting)
            else:
                self.stop()
        finally:
            self._left = 0
            leases.release(waiting)
        self._tell_status()
        sent = len(batch.deliveries) - len(waiting)
        self._pace += (sent / max(time.monotonic() - began, 0.001) - self._pace) * 0.3

    def _send_all(self, connector: Connector, batch: Batch, waiting: deque[Leased]) -> None:
        try:
            connector_type, opened = self._open(connector)
        except CannotOpen as error:
            self._watch.see(error.reason, error.detail)
            self._refuse_all(waiting, connector.public_id, error.reason, error.detail)
            return
        under_way: dict[int, Leased] = {}
        messages = self._messages(connector, connector_type, batch, waiting, under_way)
        for outcome in connector_type.deliver(opened, messages):
            self._recorder.put(Finished(under_way.pop(outcome.key), outcome, connector.public_id))
            self._watch.see(outcome.reason, outcome.detail)
            self._tell_status()
            self._finished += 1
            self._left -= 1
            if self._left == _NEARLY_DONE:
                with self._changed:
                    self._changed.notify_all()

    def _messages(
        self,
        connector: Connector,
        connector_type: AnyConnectorType,
        batch: Batch,
        waiting: deque[Leased],
        under_way: dict[int, Leased],
    ) -> Iterator[AnyMessage]:
        """Yield what can be sent, when the type asks for it, until the lane stops or the lease nears its end."""
        start_by = batch.start_by()
        while waiting and not self._stopping and time.monotonic() < start_by:
            delivery = waiting.popleft()
            message = _message(delivery, connector_type)
            if isinstance(message, Outcome):
                self._recorder.put(Finished(delivery, message, connector.public_id))
            else:
                under_way[delivery.id] = delivery
                yield message

    def _open(self, connector: Connector) -> tuple[AnyConnectorType, AnyConnection]:
        if self._opened is None or self._opened[0] != connector.version:
            self._opened = (connector.version, get_type(connector.type), open_connection(connector))
        return self._opened[1:]

    def _refuse_all(self, waiting: deque[Leased], connector_id: str, reason: Reason, detail: str) -> None:
        while waiting:
            delivery = waiting.popleft()
            self._recorder.put(Finished(delivery, Outcome(delivery.id, reason, detail), connector_id))

    def _tell_status(self, *, is_last: bool = False) -> None:
        try:
            self._watch.tell(is_last=is_last)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The status of connector %d waits for the database: %s", self.connector_id, error)

    def _give_back(self) -> None:
        for batch in self._handed_over:
            try:
                leases.release(batch.deliveries)
            except (DatabaseError, InterfaceError):
                logger.warning("%d deliveries wait for the end of their lease.", len(batch.deliveries))


class Forget(Protocol):
    """Takes a lane off the list; with ``only_if_idle`` it returns False, and does not, when work came in."""

    def __call__(self, lane: Lane, *, only_if_idle: bool) -> bool: ...


def _message(delivery: Leased, connector_type: AnyConnectorType) -> AnyMessage | Outcome:
    """Return the message to send, or the outcome of a delivery that cannot be sent at all."""
    if not delivery.action_id:
        return Outcome(delivery.id, Reason.BAD_CONFIG, "The action was deleted.")
    if delivery.expires_at is not None and delivery.expires_at <= datetime.now(UTC):
        return Outcome(
            delivery.id, Reason.EXPIRED, f"It was pointless after {delivery.expires_at:%Y-%m-%d %H:%M:%S} UTC."
        )
    try:
        params = connector_type.params_model.model_validate(delivery.message)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "/".join(map(str, first["loc"]))
        return Outcome(delivery.id, Reason.TEMPLATE_ERROR, f"The rendered params do not fit: {place}: {first['msg']}")
    return Message(key=delivery.id, webhook_id=str(delivery.webhook_id), params=params, timeout=delivery.policy.timeout)


lanes = Lanes()
