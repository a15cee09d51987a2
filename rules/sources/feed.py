"""One source, read by one thread for as long as somebody wants it."""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import DatabaseError, InterfaceError, connection

from connectors.net.dialling import CannotConnect
from connectors.outcomes import Reason
from connectors.services.opening import CannotOpen, open_connection
from rules.models import Source, SourceStatus
from rules.services.errands import held
from rules.services.source_status import Report, report
from rules.sources.base import Message, Reader, Subscription
from rules.sources.intake import AT_ONCE, Counts, Intake, MustWait, SpaceIsArchived
from rules.sources.mapping import Mapper
from rules.sources.registry import UnknownSourceType, get_type
from spaces.errors import InvalidInput
from spaces.validation import parse_model

logger = logging.getLogger(__name__)

HELD_FOR: Final = timedelta(seconds=20)  # how long after a process vanished another one reads what is read alone
RENEWED_EVERY: Final = 5.0
REPORTED_EVERY: Final = 2.0
_READ_WAIT: Final = 0.5  # seconds, so that a thread without messages looks up now and then
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_STANDBY_PAUSE: Final = 2.0
_PROVEN: Final = 60.0  # seconds after which a connection has proved itself


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source as it is to be read: another version of it, or of its connector, is read anew."""

    source_id: int
    version: int
    connector_id: int | None
    connector_version: int


class _Ended(Exception):
    """Nobody wants the source read any longer."""


class _HasReader(Exception):
    """Another process reads it."""


class Feed(threading.Thread):
    """Reads a source until ``end`` is called: connects, stores what comes, tells the system, and begins again."""

    def __init__(self, wanted: Wanted, process: str) -> None:
        super().__init__(name=f"source-{wanted.source_id}", daemon=True)
        self.wanted = wanted
        self._reports = _Reports(wanted.source_id, process)
        self._ending = threading.Event()
        self._is_for_good = False

    def end(self, *, for_good: bool = False) -> None:
        """Let the thread end once what it is storing is stored; ``for_good`` where the source is gone."""
        self._is_for_good = self._is_for_good or for_good
        self._ending.set()

    def run(self) -> None:
        pause = _FIRST_PAUSE
        try:
            while not self._ending.is_set():
                began = time.monotonic()
                try:
                    self._read_once()
                except _HasReader:
                    self._ending.wait(_STANDBY_PAUSE)
                    continue
                if time.monotonic() - began > _PROVEN:
                    pause = _FIRST_PAUSE
                self._ending.wait(pause * random.uniform(0.8, 1.2))  # noqa: S311  no secret
                pause = min(pause * 2, _LONGEST_PAUSE)
        finally:
            connection.close()

    def _read_once(self) -> None:
        """Read until the connection ends, and report why it did."""
        try:
            source = Source.objects.select_related("space", "connector").get(pk=self.wanted.source_id)
            self._read_source(source)
        except _Ended:
            pass
        except _HasReader:
            raise
        except Source.DoesNotExist:
            self._ending.set()
        except (CannotConnect, CannotOpen) as error:
            self._reports.stand(SourceStatus.DISCONNECTED, error.reason, error.detail)
        except (InvalidInput, UnknownSourceType) as error:
            self._reports.stand(SourceStatus.DISCONNECTED, Reason.BAD_CONFIG, str(error))
        except SpaceIsArchived:
            self._reports.stand(SourceStatus.DISCONNECTED, "", "Its space is archived.")
        except (DatabaseError, InterfaceError):
            logger.warning("Source %s is read later: the database is not to be had.", self.wanted.source_id)
            connection.close()
        except Exception:
            logger.exception("Source %s could not be read.", self.wanted.source_id)
            self._reports.stand(SourceStatus.DISCONNECTED, "", "An error of ours; the log of run_sources has it.")

    def _read_source(self, source: Source) -> None:
        subscription, intake = self._prepare(source)
        source_type = get_type(source.type)
        if not source_type.reads_alone:
            self._read_from(source_type.reader(subscription), intake)
            return
        with held(f"source:{source.pk}", HELD_FOR) as renew:
            if renew is None:
                raise _HasReader
            self._read_from(source_type.reader(subscription), intake, _Hold(renew))

    def _prepare(self, source: Source) -> tuple[Subscription[Any], Intake]:
        connector = source.connector
        if connector is None:
            raise _Ended
        params: Any = parse_model(get_type(source.type).params_model, source.params, "/params")
        mapper = Mapper(
            params,
            usual_type=get_type(source.type).event_type,
            source={"id": source.public_id, "name": source.name},
            connector={"id": connector.public_id, "name": connector.name},
        )
        subscription = Subscription(
            space=source.space.slug,
            id=source.public_id,
            connector=connector.public_id,
            connection=open_connection(connector),
            params=params,
            memory=source.memory,
            remember=self._remember,
        )
        return subscription, Intake(source.space_id, mapper)

    def _remember(self, memory: Mapping[str, Any]) -> None:
        Source.objects.filter(pk=self.wanted.source_id).update(memory=dict(memory))

    def _read_from(self, reader: Reader, intake: Intake, hold: "_Hold | None" = None) -> None:
        try:
            reader.open()
            self._reports.stand(SourceStatus.CONNECTED)
            while not self._ending.is_set():
                messages = reader.read(AT_ONCE, _READ_WAIT)
                if messages:
                    self._take_in(reader, intake, messages, hold)
                    reader.done(messages)
                trouble = reader.trouble()
                if trouble is None:
                    self._reports.stand(SourceStatus.CONNECTED)
                else:
                    self._reports.stand(SourceStatus.DISCONNECTED, trouble.reason, trouble.detail)
                self._reports.tell(reader.lag())
                if hold is not None:
                    hold.keep()
        finally:
            self._reports.tell(None, is_last=True)
            reader.close(for_good=self._is_for_good)

    def _take_in(self, reader: Reader, intake: Intake, messages: Sequence[Message], hold: "_Hold | None") -> None:
        batch = intake.read(messages)
        while True:
            try:
                self._reports.count(intake.store(batch))
                return
            except MustWait as wait:
                self._reports.stand(SourceStatus.WAITING, "", wait.detail)
                again_at = time.monotonic() + wait.seconds
            while time.monotonic() < again_at:
                if self._ending.is_set():
                    raise _Ended
                reader.idle(_READ_WAIT)
                if hold is not None:
                    hold.keep()


class _Hold:
    """Keeps what one process reads alone, for as long as the database lets it be renewed."""

    def __init__(self, renew: Callable[[], bool]) -> None:
        self._renew = renew
        self._renewed_at = time.monotonic()

    def keep(self) -> None:
        """Renew the hold now and then; raise CannotConnect once another process has it."""
        if time.monotonic() - self._renewed_at < RENEWED_EVERY:
            return
        try:
            stands = self._renew()
        except (DatabaseError, InterfaceError):
            # Nobody else can take it either; nothing is stored until the database is back.
            connection.close()
            return
        if not stands:
            raise CannotConnect(Reason.LOST_LEASE, "Another process reads it now.")
        self._renewed_at = time.monotonic()


class _Reports:
    """Sums up what happens to a source in this process, so that thousands of messages a second cost no query."""

    def __init__(self, source_id: int, process: str) -> None:
        self._source_id = source_id
        self._process = process
        self._standing: tuple[SourceStatus, Reason | str, str] | None = None
        self._counts = Counts()
        self._lag: int | None = None
        self._told_at = float("-inf")

    def stand(self, status: SourceStatus, reason: Reason | str = "", detail: str = "") -> None:
        """Report how the source stands, at once if that is news."""
        if self._standing != (status, reason, detail):
            if self._standing is None or self._standing[0] != status:
                logger.info("Source %s is %s. %s", self._source_id, status, detail)
            self._standing = (status, reason, detail)
            self._send()

    def count(self, counts: Counts) -> None:
        """Count what was stored and refused."""
        self._counts.add(counts)

    def tell(self, lag: int | None, *, is_last: bool = False) -> None:
        """Report what was counted, every two seconds while there is news."""
        counts = self._counts
        is_news = lag != self._lag or counts.accepted or counts.duplicates or counts.refused
        if is_news and (is_last or time.monotonic() - self._told_at >= REPORTED_EVERY):
            self._lag = lag
            self._send()

    def _send(self) -> None:
        if self._standing is None:
            return
        counts = self._counts
        self._told_at = time.monotonic()
        try:
            report(
                self._source_id,
                self._process,
                Report(
                    *self._standing,
                    self._lag,
                    counts.accepted,
                    counts.duplicates,
                    counts.refused,
                    counts.last_refusal,
                ),
            )
        except (DatabaseError, InterfaceError) as error:
            logger.warning("How source %s stands could not be stored: %s", self._source_id, error)
            with suppress(DatabaseError, InterfaceError):
                connection.close()
        else:
            self._counts = Counts()
