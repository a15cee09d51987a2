"""Lanes: one thread a connector, so that a slow system holds up nobody but itself.

A lane works off what the evaluation handed over (already leased), then claims what else is due, and ends when there
has been nothing for a while, or when the connector's circuit holds its deliveries. All lanes of a process share one
recorder. While messages are under way, a lane holds a thread and a few sockets, and where there are many lanes, no
connection to PostgreSQL.
"""

import threading
import time
from typing import Final

from actions.engine import leases
from actions.engine.lane import GLANCE, Batch, Lane
from actions.engine.recorder import Recorder

MAX_LANES: Final = 512  # of one process; a connector beyond them waits for a lane to end
MAX_SLOW_LANES: Final = 128  # of those that wait for slow systems; one known to be slow is not begun beyond them
_KNOWN_SLOW: Final = 600.0  # seconds for which that is remembered
_KEEPERS: Final = 8  # lanes that may keep their database connections while they send: taking one anew takes time
_HELD: Final = 5.0  # seconds after which a lane looks again whether the circuit still holds


class Lanes:
    """The lanes of this process."""

    def __init__(self) -> None:
        self._lanes: dict[int, Lane] = {}
        self._held: dict[int, float] = {}  # connectors whose circuit holds, and until when (monotonic)
        self._slow: dict[int, float] = {}  # connectors known to be slow, likewise
        self._lock = threading.Lock()
        self._recorder = Recorder(self.wake_unless_held)
        self._stopping = False

    def wake(self, connector_id: int) -> None:
        """Have the connector's lane look for due deliveries."""
        with self._lock:
            self._held.pop(connector_id, None)
        self._send(connector_id, None)

    def wake_unless_held(self, connector_id: int) -> None:
        """The same, unless the circuit was found to hold deliveries just now: the sweep sees when it does no more."""
        with self._lock:
            held = _is_before(self._held, connector_id)
        if not held:
            self._send(connector_id, None)

    def has_room(self, connector_id: int) -> bool:
        """Whether deliveries of this connector that are made now would be sent at once."""
        with self._lock:
            if _is_before(self._held, connector_id):
                return False
            lane = self._lanes.get(connector_id)
            return self._may_begin(connector_id) if lane is None else lane.has_room

    def hand_over(self, connector_id: int, batch: Batch) -> None:
        """Give deliveries that this process leased to their lane; without one they go back to the queue."""
        if not self._send(connector_id, batch):
            leases.release(batch.deliveries)

    def let_catch_up(self) -> None:
        """Wait while lanes work off what they have, as long as they are quick; never for slow ones, however many.

        What is made meanwhile would find no room, and be claimed from the database instead. And two busy threads of
        one interpreter hinder each other more than they help.
        """
        with self._lock:
            lanes = list(self._lanes.values())
        while behind := [lane for lane in lanes if lane.is_behind_and_quick]:
            before = [lane.finished for lane in behind]
            if not behind[0].catches_up(GLANCE):
                for lane, finished in zip(behind, before, strict=True):
                    lane.judge(finished)

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
                if not self._may_begin(connector_id):
                    self._end_idle()
                    return False
                lane = self._lanes[connector_id] = Lane(connector_id, self._recorder, self._forget, self._is_crowded)
                lane.start()
            return lane.send(batch)

    def _is_crowded(self) -> bool:
        return len(self._lanes) > _KEEPERS

    def _may_begin(self, connector_id: int) -> bool:
        if self._stopping or len(self._lanes) >= MAX_LANES:
            return False
        if not _is_before(self._slow, connector_id):
            return True
        slow = sum(lane.drags or key in self._slow for key, lane in self._lanes.items())
        return slow < MAX_SLOW_LANES

    def _end_idle(self) -> None:
        """Make room for those who come again: the sweep wakes them."""
        if len(self._lanes) >= MAX_LANES:
            for lane in self._lanes.values():
                if lane.is_resting:
                    lane.stop()

    def _forget(self, lane: Lane, *, only_if_idle: bool) -> bool:
        with self._lock:
            if only_if_idle and not lane.is_idle:
                return False
            if self._lanes.get(lane.connector_id) is lane:
                del self._lanes[lane.connector_id]
            now = time.monotonic()
            if lane.held_for > 0:
                self._held[lane.connector_id] = now + min(lane.held_for, _HELD)
            if lane.was_slow:
                self._slow[lane.connector_id] = now + _KNOWN_SLOW
            else:
                self._slow.pop(lane.connector_id, None)
            return True


def _is_before(moments: dict[int, float], key: int) -> bool:
    """Whether the moment of this key is still to come; one that is over is taken out."""
    if (moment := moments.get(key)) is None:
        return False
    if time.monotonic() < moment:
        return True
    del moments[key]
    return False


lanes = Lanes()
