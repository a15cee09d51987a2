"""librdkafka's calls about consumer groups (rdkafka.h), past confluent-kafka.

confluent-kafka makes them without letting go of the interpreter's lock, and most of them wait for a thread of
librdkafka's. Each connection is opened by a callback that needs that lock (connectors.net.kafka), so the two could wait
for each other for ever. Calls over ctypes let go of it.
"""

import ctypes
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from connectors.net.librdkafka import handle_of, librdkafka

logger = logging.getLogger(__name__)

Place = tuple[str, int]  # topic and partition

UNKNOWN: Final = -1001  # RD_KAFKA_OFFSET_INVALID: no offset is known
_ANY_PARTITION: Final = -1
_ASSIGN: Final = -175  # RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS


class CallFailed(Exception):
    """librdkafka or the cluster refused; ``code`` is librdkafka's number of the error."""

    def __init__(self, code: int) -> None:
        super().__init__(f"librdkafka's error {code}")
        self.code = code


class _Partition(ctypes.Structure):
    """``rd_kafka_topic_partition_t``."""

    _fields_ = [
        ("topic", ctypes.c_char_p),
        ("partition", ctypes.c_int32),
        ("offset", ctypes.c_int64),
        ("metadata", ctypes.c_void_p),
        ("metadata_size", ctypes.c_size_t),
        ("opaque", ctypes.c_void_p),
        ("err", ctypes.c_int),
        ("private", ctypes.c_void_p),
    ]


class _List(ctypes.Structure):
    """``rd_kafka_topic_partition_list_t``."""

    _fields_ = [("cnt", ctypes.c_int), ("size", ctypes.c_int), ("elems", ctypes.POINTER(_Partition))]


_Rebalance = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_List), ctypes.c_void_p)
_list: Final = ctypes.POINTER(_List)
_handle: Final = ctypes.c_void_p
for _name, _result, *_arguments in (
    ("conf", ctypes.c_void_p, _handle),
    ("conf_set_rebalance_cb", None, ctypes.c_void_p, _Rebalance),
    ("topic_partition_list_new", _list, ctypes.c_int),
    ("topic_partition_list_add", ctypes.POINTER(_Partition), _list, ctypes.c_char_p, ctypes.c_int32),
    ("topic_partition_list_destroy", None, _list),
    ("subscribe", ctypes.c_int, _handle, _list),
    ("incremental_assign", ctypes.c_void_p, _handle, _list),
    ("incremental_unassign", ctypes.c_void_p, _handle, _list),
    ("error_destroy", None, ctypes.c_void_p),
    ("pause_partitions", ctypes.c_int, _handle, _list),
    ("resume_partitions", ctypes.c_int, _handle, _list),
    ("offsets_store", ctypes.c_int, _handle, _list),
    ("commit", ctypes.c_int, _handle, _list, ctypes.c_int),
    ("committed", ctypes.c_int, _handle, _list, ctypes.c_int),
    (
        "query_watermark_offsets",
        ctypes.c_int,
        _handle,
        ctypes.c_char_p,
        ctypes.c_int32,
        ctypes.POINTER(ctypes.c_int64),
        ctypes.POINTER(ctypes.c_int64),
        ctypes.c_int,
    ),
):
    _function = getattr(librdkafka, f"rd_kafka_{_name}")
    _function.restype, _function.argtypes = _result, _arguments


class Group:
    """The part that one consumer of confluent-kafka has in its group.

    ``begin`` is asked, of partitions that are taken on, where to begin: it returns offsets of those where that is not
    the group's own. ``places`` are those that it has. Both change inside of the consumer's ``poll``.
    """

    def __init__(self, consumer: Any, begin: Callable[[list[Place]], Mapping[Place, int]]) -> None:
        self.places: set[Place] = set()
        self._rdkafka = handle_of(consumer)
        self._opaque = id(consumer)
        self._begin = begin
        _groups[self._opaque] = self
        librdkafka.rd_kafka_conf_set_rebalance_cb(librdkafka.rd_kafka_conf(self._rdkafka), _rebalance)

    def forget(self) -> None:
        """Take no more calls: the consumer is closed."""
        _groups.pop(self._opaque, None)

    def subscribe(self, topics: Iterable[str]) -> None:
        """Join the group for these topics; raise CallFailed."""
        with _listed({(topic, _ANY_PARTITION): UNKNOWN for topic in topics}) as wanted:
            _check(librdkafka.rd_kafka_subscribe(self._rdkafka, wanted))

    def pause(self, places: Iterable[Place]) -> None:
        """Fetch nothing of these."""
        with _listed(dict.fromkeys(places, UNKNOWN)) as paused:
            librdkafka.rd_kafka_pause_partitions(self._rdkafka, paused)

    def resume(self) -> None:
        """Fetch what it has again."""
        with _listed(dict.fromkeys(self.places, UNKNOWN)) as resumed:
            librdkafka.rd_kafka_resume_partitions(self._rdkafka, resumed)

    def store(self, offsets: Mapping[Place, int]) -> None:
        """Let these be committed with the next turn; what is another member's by now is left out."""
        with _listed(offsets) as stored:
            librdkafka.rd_kafka_offsets_store(self._rdkafka, stored)

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Commit these now; raise CallFailed."""
        with _listed(offsets) as committed:
            _check(librdkafka.rd_kafka_commit(self._rdkafka, committed, 0))

    def committed(self, places: Iterable[Place], timeout: float) -> dict[Place, int]:
        """Return the group's offsets, UNKNOWN where it has none; raise CallFailed."""
        with _listed(dict.fromkeys(places, UNKNOWN)) as asked:
            _check(librdkafka.rd_kafka_committed(self._rdkafka, asked, int(timeout * 1000)))
            return dict(_read(asked))

    def end_of(self, place: Place, timeout: float) -> int:
        """Return the offset that the next record of a partition will have; raise CallFailed."""
        low, high = ctypes.c_int64(), ctypes.c_int64()
        topic, partition = place
        _check(
            librdkafka.rd_kafka_query_watermark_offsets(
                self._rdkafka, topic.encode(), partition, ctypes.byref(low), ctypes.byref(high), int(timeout * 1000)
            )
        )
        return high.value

    def rebalance(self, code: int, partitions: Any) -> None:
        """Take on these partitions, or give them up."""
        places = [place for place, _ in _read(partitions)]
        if code == _ASSIGN:
            with _listed({**dict.fromkeys(places, UNKNOWN), **self._begin(places)}) as taken:
                _drop_error(librdkafka.rd_kafka_incremental_assign(self._rdkafka, taken))
            self.places.update(places)
        else:
            _drop_error(librdkafka.rd_kafka_incremental_unassign(self._rdkafka, partitions))
            self.places.difference_update(places)


_groups: Final[dict[int, Group]] = {}  # by the opaque of the consumer


def _on_rebalance(_: int, code: int, partitions: Any, opaque: int) -> None:
    try:
        _groups[opaque].rebalance(code, partitions)
    except Exception:
        # Nothing may be raised into librdkafka.
        logger.exception("Partitions of a consumer group could not be taken on or given up.")


_rebalance: Final = _Rebalance(_on_rebalance)


@contextmanager
def _listed(offsets: Mapping[Place, int]) -> Iterator[Any]:
    """Yield a list of partitions as librdkafka takes it."""
    made = librdkafka.rd_kafka_topic_partition_list_new(len(offsets))
    try:
        for (topic, partition), offset in offsets.items():
            librdkafka.rd_kafka_topic_partition_list_add(made, topic.encode(), partition).contents.offset = offset
        yield made
    finally:
        librdkafka.rd_kafka_topic_partition_list_destroy(made)


def _read(partitions: Any) -> Iterator[tuple[Place, int]]:
    for number in range(partitions.contents.cnt):
        each = partitions.contents.elems[number]
        yield (each.topic.decode(), each.partition), each.offset


def _check(code: int) -> None:
    if code:
        raise CallFailed(code)


def _drop_error(error: int | None) -> None:
    if error:
        librdkafka.rd_kafka_error_destroy(error)
