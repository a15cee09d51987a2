"""Accept events: store them durably, wake the evaluation, answer. Nothing else happens while the sender waits.

Requests that arrive together are stored together: one thread of the process commits for all of them, so that a
single event costs a share of a transaction instead of one.
"""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import orjson
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, connection, transaction

from actions import bulk
from actions.wakeups import wake
from rules.incoming import Acceptance, CannotAccept, IncomingEvent, KeyEnded
from rules.models import Event, EventBatch
from spaces.services import live_keys

EVALUATE = "rules.tasks.evaluate"
MAX_GROUP = 2000  # events in one transaction
MAX_BATCH = 500  # events in one EventBatch row

_COLUMNS = (
    "id",
    "space_id",
    "source",
    "event_id",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "extensions",
    "data",
    "is_binary",
    "digest",
)
_CAUSED_COLUMNS = (*_COLUMNS, "hop", "cause")

Request = tuple[int, Sequence[IncomingEvent]]  # space id and its events


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A request, the API key that it came with, and where its answer is awaited."""

    request: Request
    key_id: int | None
    answer: Future[list[Acceptance]]


def accept_events(space_id: int, events: Sequence[IncomingEvent], *, key_id: int | None = None) -> list[Acceptance]:
    """Store the events and return, in their order, what became of each; they are durable when this returns.

    Inside a transaction the events join it, and are durable when it commits. ``key_id`` is of the API key that they
    came with. Nothing is stored when this raises KeyEnded for that key, or CannotAccept when the database is not to be
    had.
    """
    if not events:
        return []
    if connection.in_atomic_block:
        (stored,) = _store([(space_id, events)])
        transaction.on_commit(lambda: wake(EVALUATE))
        return stored
    return _committer.submit((space_id, events), key_id).result()


class _GroupCommitter:
    """One thread that stores what all request threads hand it."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[_Waiting] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, request: Request, key_id: int | None) -> Future[list[Acceptance]]:
        answer: Future[list[Acceptance]] = Future()
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="accept", daemon=True)
                self._thread.start()
        self._waiting.put(_Waiting(request, key_id, answer))
        return answer

    def _run(self) -> None:
        while True:
            group = list(self._gather())
            try:
                _answer(group)
            except DataError:
                # One sender's data must not fail the others that came at the same moment.
                for alone in group:
                    _answer_alone(alone)
            except Exception as error:  # noqa: BLE001  it is the callers' to raise
                for waiting in group:
                    waiting.answer.set_exception(error)

    def _gather(self) -> Iterator[_Waiting]:
        item = self._waiting.get()
        size = len(item.request[1])
        yield item
        while size < MAX_GROUP:
            try:
                item = self._waiting.get_nowait()
            except Empty:
                return
            size += len(item.request[1])
            yield item


_committer = _GroupCommitter()


def _answer(group: Sequence[_Waiting]) -> None:
    stored = _store_durably(group)
    wake(EVALUATE)
    for waiting in group:
        if waiting in stored:
            waiting.answer.set_result(stored[waiting])
        else:
            waiting.answer.set_exception(KeyEnded())


def _answer_alone(waiting: _Waiting) -> None:
    try:
        _answer([waiting])
    except Exception as error:  # noqa: BLE001  it is the caller's to raise
        waiting.answer.set_exception(error)


def _store_durably(group: Sequence[_Waiting]) -> dict[_Waiting, list[Acceptance]]:
    """Store what comes with a key that is live now, or with none; return what became of it."""
    # A connection that died since the last group costs one more try, not an error to a sender.
    for last_try in (False, True):
        try:
            live = live_keys(waiting.key_id for waiting in group if waiting.key_id is not None)
            admitted = [waiting for waiting in group if waiting.key_id is None or waiting.key_id in live]
            stored = _store([waiting.request for waiting in admitted]) if admitted else []
            return dict(zip(admitted, stored, strict=True))
        except DataError:
            raise
        except (DatabaseError, InterfaceError) as error:
            connection.close()
            if last_try:
                raise CannotAccept("The database does not take events now.") from error
    raise AssertionError("unreachable")


def _store(requests: Sequence[Request]) -> list[list[Acceptance]]:
    try:
        with transaction.atomic():
            return _insert_all(requests)
    except IntegrityError:
        # Some of them are known already, which is rare: only then each is looked at.
        with transaction.atomic():
            return _insert_new(requests)


def _insert_all(requests: Sequence[Request]) -> list[list[Acceptance]]:
    ids = iter(bulk.reserve_ids(Event, sum(len(events) for _, events in requests)))
    rows: list[bulk.Row] = []
    caused: list[bulk.Row] = []
    answers: list[list[Acceptance]] = []
    fresh: dict[int, list[int]] = {}
    for space_id, events in requests:
        keys = fresh.setdefault(space_id, [])
        answer = []
        for event in events:
            key = next(ids)
            if event.origin is None:
                rows.append(_row(key, space_id, event))
            else:
                caused.append(_caused_row(key, space_id, event))
            keys.append(key)
            answer.append(Acceptance("accepted", key))
        answers.append(answer)
    if rows:
        bulk.insert_rows(Event, _COLUMNS, rows)
    if caused:
        bulk.insert_rows(Event, _CAUSED_COLUMNS, caused)
    _insert_batches(fresh)
    return answers


def _insert_new(requests: Sequence[Request]) -> list[list[Acceptance]]:
    ids = bulk.reserve_ids(Event, sum(len(events) for _, events in requests))
    rows = (_caused_row(key, space_id, event) for key, (space_id, event) in zip(ids, _flat(requests), strict=True))
    with connection.cursor() as cursor:
        cursor.executemany(
            f'INSERT INTO "{Event._meta.db_table}" ({", ".join(_CAUSED_COLUMNS)}) '  # noqa: S608  constant names only
            f"VALUES ({', '.join(['%s'] * len(_CAUSED_COLUMNS))}) ON CONFLICT (space_id, source, event_id) DO NOTHING",
            [row if connection.vendor == "postgresql" else bulk.sqlite_row(row) for row in rows],
        )
    standing = _standing(requests)
    reserved = iter(ids)
    fresh: dict[int, list[int]] = {}
    answers = []
    for space_id, events in requests:
        answer = []
        for event in events:
            key, digest = standing[space_id, event.source, event.event_id]
            if key == next(reserved):
                fresh.setdefault(space_id, []).append(key)
                answer.append(Acceptance("accepted", key))
            else:
                answer.append(Acceptance("duplicate" if digest == event.digest else "conflict", key))
        answers.append(answer)
    _insert_batches(fresh)
    return answers


def _standing(requests: Sequence[Request]) -> dict[tuple[int, str, str], tuple[int, bytes]]:
    """Return key and digest of the stored event under each (space, source, event id)."""
    wanted: dict[tuple[int, str], set[str]] = {}
    for space_id, event in _flat(requests):
        wanted.setdefault((space_id, event.source), set()).add(event.event_id)
    return {
        (space_id, source, event_id): (key, bytes(digest))
        for (space_id, source), event_ids in wanted.items()
        for event_id, key, digest in Event.objects.filter(
            space_id=space_id, source=source, event_id__in=event_ids
        ).values_list("event_id", "id", "digest")
    }


def _insert_batches(fresh: dict[int, list[int]]) -> None:
    rows = [
        (space_id, orjson.dumps(keys[start : start + MAX_BATCH]).decode())
        for space_id, keys in fresh.items()
        for start in range(0, len(keys), MAX_BATCH)
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(
                f'INSERT INTO "{EventBatch._meta.db_table}" (space_id, event_ids) VALUES (%s, %s)',  # noqa: S608  constant
                rows,
            )


def _flat(requests: Sequence[Request]) -> Iterator[tuple[int, IncomingEvent]]:
    return ((space_id, event) for space_id, events in requests for event in events)


def _caused_row(key: int, space_id: int, event: IncomingEvent) -> bulk.Row:
    hop, cause = (event.origin.hop, event.origin.cause) if event.origin else (0, "")
    return (*_row(key, space_id, event), hop, cause)


def _row(key: int, space_id: int, event: IncomingEvent) -> bulk.Row:
    return (
        key,
        space_id,
        event.source,
        event.event_id,
        event.type,
        event.subject,
        event.time,
        event.datacontenttype,
        event.dataschema,
        event.extensions,
        event.data,
        event.is_binary,
        event.digest,
    )
