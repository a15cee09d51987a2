"""A lane: the thread that delivers for one connector."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from actions.engine import leases
from actions.engine.flow import Flow
from actions.engine.gate import Gate
from actions.engine.leases import Leased
from actions.engine.messages import message_of
from actions.engine.outcomes import Finished
from actions.engine.recorder import Recorder
from actions.policy import STANDARD
from connectors.circuit import RECOVERED
from connectors.models import Connector
from connectors.net.policy import NetworkPolicy
from connectors.outcomes import Outcome, Reason
from connectors.services import CannotOpen, open_connection
from connectors.services.watch import Watch
from connectors.types.base import AnyConnection, AnyConnectorType, AnyMessage, Paced
from connectors.types.faults import FAULT, NO_FAULT, NO_OUTCOME, tell_fault
from connectors.types.registry import get_type

logger = logging.getLogger(__name__)

DRAGS: Final = 1.0  # seconds without an outcome from which a system is slow
_IDLE: Final = 10.0  # seconds that a lane waits for more work before it ends
_MARGIN: Final = 5.0  # seconds between the latest end of a try and the end of its lease
_MOST_AT_ONCE: Final = 1000  # deliveries of one claim
_ON_TRIAL: Final = RECOVERED  # deliveries of one trial
_WORK_AHEAD: Final = 2.0  # seconds of work, at the lane's pace, that it takes under lease ahead of time
_LIMITED_AHEAD: Final = 5.0  # the same at a limited rate
_LONGEST_LEASED_WAIT: Final = 0.5  # seconds; one that has to wait longer for its turn is leased when that comes
_QUICK: Final = 1000.0  # deliveries a second from which it pays to wait for a lane
GLANCE: Final = 0.1  # seconds that show whether a lane is quick
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


class Lane(threading.Thread):
    """The thread that delivers for one connector."""

    def __init__(self, connector_id: int, recorder: Recorder, forget: "Forget", is_crowded: Callable[[], bool]) -> None:
        super().__init__(name=f"lane-{connector_id}", daemon=True)
        self.connector_id = connector_id
        self._recorder = recorder
        self._forget = forget
        self._is_crowded = is_crowded
        self._changed = threading.Condition()
        self._handed_over: deque[Batch] = deque()
        self._waiting = 0  # deliveries in _handed_over
        self._woken = True  # there may be something to claim
        self._behind = False  # the database holds due work, so newcomers queue up there
        self._stopping = False
        self._pace = _QUICK  # deliveries a second, as lately seen
        self.finished = 0
        self.was_slow = False
        self.held_for = 0.0  # seconds for which the circuit holds deliveries, once the lane has ended for it
        self._left = 0  # deliveries of the present batch without an outcome
        self._under_way: dict[int, Leased] = {}
        self._moved_at = 0.0  # monotonic time of the last outcome
        self._slow_until = 0.0  # monotonic
        self._claims = 0
        self._is_limited = False  # it takes no more than it may send soon, so newcomers queue up in the database
        self._watch = Watch(connector_id)
        self._flow = Flow(connector_id, self._watch)
        self._gate = Gate()
        self._is_gated = False  # the present batch has deliveries of actions with limits of their own
        self._opened: tuple[int, AnyConnectorType, AnyConnection] | None = None

    @property
    def has_room(self) -> bool:
        with self._changed:
            if self._stopping or self._behind or self._is_limited or self._watch.is_held:
                return False
            return self._waiting < self._pace * _WORK_AHEAD

    @property
    def is_idle(self) -> bool:
        with self._changed:
            return not self._handed_over and not self._woken

    @property
    def is_resting(self) -> bool:
        """Whether it waits for work."""
        return self.is_idle and not self._left

    @property
    def drags(self) -> bool:
        """Whether it waits for a slow system now."""
        return bool(self._under_way) and time.monotonic() - self._moved_at > DRAGS

    @property
    def is_behind_and_quick(self) -> bool:
        """Whether it has much left and is worth waiting for."""
        return not self._has_caught_up() and time.monotonic() >= self._slow_until

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

    def catches_up(self, within: float) -> bool:
        """Wait until the lane is nearly done; False when it is not after so many seconds."""
        with self._changed:
            return self._changed.wait_for(self._has_caught_up, within)

    def judge(self, finished: int) -> None:
        """Take it for slow if it has hardly finished more than so many, as it had a glance ago."""
        if self.finished - finished < _QUICK * GLANCE:
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
            while not self._stopping and (self._work() or not self._forget(self, only_if_idle=True)):
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
            self._await_work()
        with self._changed:
            if self._stopping or not (self._handed_over or self._woken):
                return False
            batch = self._handed_over.popleft() if self._handed_over else None
            if batch is not None:
                self._waiting -= len(batch.deliveries)
            else:
                self._woken = False  # before the look, so that a wake-up during it is not lost
        connector = Connector.objects.filter(pk=self.connector_id).first()
        if connector is not None and not self._may_send(connector):
            if batch is not None:
                leases.release(batch.deliveries)
            return False
        batch = batch or self._claim(connector)
        if batch is not None:
            self._deliver(connector, batch)
        if self._watch.is_trial:
            self._tell_status(is_last=True)
        return not self._stopping

    def _await_work(self) -> None:
        """Wait for work: at least a glance, and for as long as a lane waits or until something falls due."""
        if self._rest(GLANCE):  # which spares the look where work comes in a trickle
            return
        due = leases.next_due(self.connector_id, settings.SWEEP_SECONDS)
        wait = _IDLE if due is None else min(max(due, GLANCE), _IDLE)
        if not self._rest(wait) and wait < _IDLE:
            with self._changed:
                self._woken = True

    def _rest(self, seconds: float) -> bool:
        """Wait so long for work, without a connection that others may need; return whether there may be some."""
        if self._is_crowded():
            _hand_back_connection()
        with self._changed:
            if not (self._handed_over or self._woken or self._stopping):
                self._changed.wait(self._gate.rest(seconds))
                self._woken = self._gate.is_due() or self._woken
            return bool(self._handed_over) or self._woken or self._stopping

    def _may_send(self, connector: Connector) -> bool:
        """Whether something may be sent now; if not, the lane ends, or has waited for its turn."""
        if not connector.enabled:
            self.stop()
            return False
        if not self._watch.begin(connector):
            self.held_for = self._watch.held_for()
            self.stop()
            return False
        self._flow.begin(connector)
        self._is_limited = self._watch.is_trial or self._flow.rate is not None
        return True

    def _limit(self) -> int:
        """Return how many deliveries it takes under lease at once."""
        if self._watch.is_trial:
            return _ON_TRIAL
        if self._flow.rate is not None:
            return min(_MOST_AT_ONCE, max(1, int(self._flow.rate * _LIMITED_AHEAD)))
        return min(_MOST_AT_ONCE, max(self._flow.most, int(self._pace * _WORK_AHEAD)))

    def _claim(self, connector: Connector | None) -> Batch | None:
        if connector is not None and (wait := self._flow.wait(0)) > _LONGEST_LEASED_WAIT:
            with self._changed:
                self._woken = True
                self._changed.wait_for(lambda: self._stopping, min(wait, _IDLE))
            return None
        limit = self._limit()
        self._claims += 1
        leased_at = time.monotonic()
        claimed = leases.claim(self.connector_id, limit, suspects_first=self._claims % _SUSPECTS_EVERY == 0)
        with self._changed:
            self._behind = len(claimed) == limit
            self._woken = self._woken or bool(claimed)
        return Batch(claimed, leased_at) if claimed else None

    def _deliver(self, connector: Connector | None, batch: Batch) -> None:
        began = self._moved_at = time.monotonic()
        limit = self._limit() if self._is_limited else len(batch.deliveries)
        waiting, excess = deque(batch.deliveries[:limit]), batch.deliveries[limit:]
        if excess:
            leases.release(excess)
            with self._changed:
                self._woken = self._behind = True
        self._left = taken = len(waiting)
        held_back = 0
        self._is_gated = any(delivery.policy is not STANDARD for delivery in waiting)
        self.was_slow = False
        try:
            if connector is None:
                self._refuse_all(waiting, "", Reason.BAD_CONFIG, "The connector was deleted.")
            else:
                self._send_all(connector, batch, waiting)
        finally:
            self._left = 0
            self._under_way.clear()
            aside, late = self._gate.empty()
            held_back = len(aside) + len(late)
            leases.release([*aside, *waiting])
            if late:
                leases.postpone(late)
        self._tell_status()
        sent = taken - len(waiting) - held_back
        self._pace += (sent / max(time.monotonic() - began, 0.001) - self._pace) * 0.3

    def _send_all(self, connector: Connector, batch: Batch, waiting: deque[Leased]) -> None:
        try:
            connector_type, opened = self._open(connector)
        except CannotOpen as error:
            self._watch.see(Outcome(0, error.reason, error.detail))
            self._refuse_all(waiting, connector.public_id, error.reason, error.detail)
            return
        if self._is_crowded():
            _hand_back_connection()
        messages = self._messages(connector, connector_type, batch, waiting)
        paced = Paced(messages, lambda: self._wait(waiting, len(self._under_way)))
        try:
            self._record_all(connector, connector_type.deliver(opened, paced))
            if self._under_way:
                self._fail(connector, waiting, NO_OUTCOME)
        except NO_FAULT:
            raise
        except Exception as error:  # noqa: BLE001  a package's code may raise anything
            self._fail(connector, waiting, tell_fault(connector.type, error))

    def _record_all(self, connector: Connector, outcomes: Iterator[Outcome]) -> None:
        for outcome in outcomes:
            delivery = self._under_way.pop(outcome.key)
            if self._is_gated:
                self._gate.finish(delivery)
            self._recorder.put(Finished(delivery, outcome, connector.public_id))
            now = self._moved_at = time.monotonic()
            self._watch.see(outcome)
            self._flow.see(outcome, now)
            if self._watch.is_due(now):
                self._tell_status()
            self.finished += 1
            self.was_slow = self.was_slow or outcome.duration > DRAGS
            self._left -= 1
            if self._left == _NEARLY_DONE:
                with self._changed:
                    self._changed.notify_all()

    def _fail(self, connector: Connector, waiting: deque[Leased], detail: str) -> None:
        """Tell of the type's fault for all under way: their leases would end late, as if a worker had vanished.

        Where none is under way, those that wait have it: the type fails before it takes a message.
        """
        self._watch.see(Outcome(0, FAULT, detail))
        if not self._under_way:
            self._refuse_all(waiting, connector.public_id, FAULT, detail)
        for delivery in self._under_way.values():
            if self._is_gated:
                self._gate.finish(delivery)
            self._recorder.put(Finished(delivery, Outcome(delivery.id, FAULT, detail), connector.public_id))
        self._under_way.clear()

    def _messages(
        self, connector: Connector, connector_type: AnyConnectorType, batch: Batch, waiting: deque[Leased]
    ) -> Iterator[AnyMessage]:
        """Yield what can be sent, when the type asks for it and its turn has come.

        It ends early when the lane stops, the circuit opens, or the lease nears its end.
        """
        start_by = batch.start_by()
        while (
            (waiting or self._gate.holds_some)
            and not self._stopping
            and not self._watch.is_held
            and time.monotonic() < start_by
        ):
            if (wait := self._wait(waiting, 0)) > 0:
                with self._changed:
                    self._changed.wait(min(wait, GLANCE))
                continue
            delivery = self._gate.take(waiting) if self._is_gated else waiting.popleft()
            message = message_of(delivery, connector_type)
            if isinstance(message, Outcome):
                if self._is_gated:
                    self._gate.finish(delivery)
                self._recorder.put(Finished(delivery, message, connector.public_id))
            else:
                self._flow.take()
                self._under_way[delivery.id] = delivery
                yield message

    def _wait(self, waiting: deque[Leased], under_way: int) -> float:
        """Return the seconds until one of these may be sent beside those under way; 0 or less: now."""
        wait = self._flow.wait(under_way)
        return max(wait, self._gate.wait(waiting)) if self._is_gated else wait

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
            logger.warning("The circuit of connector %d waits for the database: %s", self.connector_id, error)

    def _give_back(self) -> None:
        for batch in self._handed_over:
            try:
                leases.release(batch.deliveries)
            except (DatabaseError, InterfaceError):
                logger.warning("%d deliveries wait for the end of their lease.", len(batch.deliveries))


class Forget(Protocol):
    """Takes a lane off the list; with ``only_if_idle`` it returns False, and does not, when work came in."""

    def __call__(self, lane: Lane, *, only_if_idle: bool) -> bool: ...


def _hand_back_connection() -> None:
    """Give the database connection back while the thread waits for others: PostgreSQL's pool has fewer than lanes."""
    if connection.vendor == "postgresql":
        connection.close()
