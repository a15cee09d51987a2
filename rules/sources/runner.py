"""Reads all sources of the installation, each in a thread of its own, and notices what changes."""

import logging
import os
import threading
import time
import uuid
from typing import Final

from django.db import DatabaseError, InterfaceError, connection

from rules.models import Source
from rules.services.source_status import SEEN_EVERY, give_sign_of_life, leave
from rules.sources.feed import Feed, Wanted
from rules.sources.refusals import refusals

logger = logging.getLogger(__name__)

LOOKED_EVERY: Final = 1.0
STOP_SECONDS: Final = 30.0  # for all to store what they have read and say goodbye


class Runner:
    """Runs until ``stop`` is called. Several processes may run one each: what only one may read, only one reads."""

    def __init__(self) -> None:
        self.process = f"{os.uname().nodename[:30]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._feeds: dict[int, Feed] = {}
        self._parting: list[Feed] = []
        self._stopping = threading.Event()
        self._seen_at = time.monotonic()

    def run(self) -> None:
        """Read what is wanted until stopped; then end all threads, and note that this process reads nothing more."""
        refusals.start()
        while not self._stopping.is_set():
            try:
                self._look()
            except (DatabaseError, InterfaceError) as error:
                logger.warning("Sources cannot be looked up now: %s", error)
                connection.close()
            self._stopping.wait(LOOKED_EVERY)
        self._end_all()

    def stop(self) -> None:
        """Let run() return. May be called from a signal handler."""
        self._stopping.set()

    def _look(self) -> None:
        self._parting = [feed for feed in self._parting if feed.is_alive()]
        wanted = {each.source_id: each for each in _wanted()}
        for source_id, feed in list(self._feeds.items()):
            if wanted.get(source_id) != feed.wanted or not feed.is_alive():
                self._part_with(source_id, is_gone=source_id not in wanted)
        leaving = {feed.wanted.source_id for feed in self._parting}
        for source_id, each in wanted.items():
            # What goes on under the same name waits until the former has said goodbye.
            if source_id not in self._feeds and source_id not in leaving:
                self._feeds[source_id] = Feed(each, self.process)
                self._feeds[source_id].start()
        self._give_sign_of_life()

    def _part_with(self, source_id: int, *, is_gone: bool) -> None:
        feed = self._feeds.pop(source_id)
        feed.end(for_good=is_gone and not Source.objects.filter(pk=source_id).exists())
        self._parting.append(feed)
        if is_gone:
            threading.Thread(target=self._leave_after, args=(feed,), daemon=True).start()

    def _leave_after(self, feed: Feed) -> None:
        feed.join()
        try:
            leave(self.process, [feed.wanted.source_id])
        except (DatabaseError, InterfaceError) as error:
            logger.warning("That source %s is left could not be stored: %s", feed.wanted.source_id, error)
        finally:
            connection.close()

    def _give_sign_of_life(self) -> None:
        now = time.monotonic()
        if now - self._seen_at >= SEEN_EVERY:
            self._seen_at = now
            if self._feeds:
                give_sign_of_life(self.process)

    def _end_all(self) -> None:
        feeds = [*self._feeds.values(), *self._parting]
        for feed in feeds:
            feed.end()
        deadline = time.monotonic() + STOP_SECONDS
        for feed in feeds:
            feed.join(max(0.0, deadline - time.monotonic()))
        refusals.tell()
        try:
            leave(self.process)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("That this process reads nothing more could not be stored: %s", error)


def _wanted() -> list[Wanted]:
    rows = Source.objects.filter(enabled=True, connector__enabled=True, space__archived_at=None).order_by("pk")
    return [Wanted(*row) for row in rows.values_list("pk", "version", "connector", "connector__version")]
