"""What confluent-kafka does not hand through of librdkafka, over ctypes.

The callback that looks up hosts (``rd_kafka_conf_set_resolve_cb``) is set on a client that has no servers yet and
therefore no connection; the servers are added after that. Two things of confluent-kafka that are not in its
documentation are relied on, and checked for each client: that librdkafka's handle is the first field of the object,
and that the object's address is the handle's ``opaque``. The callback waits for the interpreter's lock in a thread of
librdkafka: it would not do where librdkafka holds a lock of its own, as in the callback that opens connections.
"""

import ctypes
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import confluent_kafka
from confluent_kafka import KafkaException


class _AddressInfo(ctypes.Structure):
    """``struct addrinfo`` of netdb.h."""


_AddressInfo._fields_ = [
    *((name, ctypes.c_int) for name in ("flags", "family", "socktype", "protocol")),
    ("length", ctypes.c_uint32),
    *((name, ctypes.c_void_p) for name in (("name", "address") if sys.platform == "darwin" else ("address", "name"))),
    ("next", ctypes.POINTER(_AddressInfo)),
]
_Found = ctypes.POINTER(ctypes.POINTER(_AddressInfo))
_Resolve = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, _Found, ctypes.c_void_p)
# Symbols of a library are looked for in those that it needs as well: so this reaches the librdkafka in use.
librdkafka: Final = ctypes.CDLL(confluent_kafka.cimpl.__file__)
librdkafka.rd_kafka_conf.argtypes = [ctypes.c_void_p]
librdkafka.rd_kafka_conf.restype = ctypes.c_void_p
librdkafka.rd_kafka_opaque.argtypes = [ctypes.c_void_p]
librdkafka.rd_kafka_opaque.restype = ctypes.c_void_p
librdkafka.rd_kafka_conf_set_resolve_cb.argtypes = [ctypes.c_void_p, _Resolve]
librdkafka.rd_kafka_conf_set_resolve_cb.restype = None
librdkafka.rd_kafka_brokers_add.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
librdkafka.rd_kafka_brokers_add.restype = ctypes.c_int
librdkafka.rd_kafka_purge.argtypes = [ctypes.c_void_p, ctypes.c_int]
librdkafka.rd_kafka_purge.restype = ctypes.c_int
librdkafka.rd_kafka_destroy.argtypes = [ctypes.c_void_p]
librdkafka.rd_kafka_destroy.restype = None
_QUEUED, _IN_FLIGHT, _WITHOUT_WAITING = 1, 2, 4  # flags of rd_kafka_purge
_libc: Final = ctypes.CDLL(None)
_libc.getaddrinfo.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, _Found]
_libc.getaddrinfo.restype = ctypes.c_int
_libc.freeaddrinfo.argtypes = [ctypes.POINTER(_AddressInfo)]
_libc.freeaddrinfo.restype = None

# Whether a client may connect to a host that has these addresses; by the opaque of the client.
Check = Callable[[str, Sequence[str]], bool]
_checks: Final[dict[int, Check]] = {}


def _resolve(host: bytes | None, service: bytes | None, hints: int | None, found: Any, opaque: int) -> int:
    """Do as getaddrinfo(3) does for hosts that are allowed. Without a host, free what was found before."""
    if host is None:
        _libc.freeaddrinfo(found[0])
        return 0
    try:
        may_connect = _checks[opaque]
        if failure := _libc.getaddrinfo(host, service, hints, found):
            return int(failure)
        if may_connect(host.decode(), list(_addresses(found[0]))):
            return 0
        _libc.freeaddrinfo(found[0])
    except Exception:  # noqa: BLE001  nothing may be raised into librdkafka; what is not understood is not allowed
        return socket.EAI_FAIL
    return socket.EAI_FAIL


_resolve_callback: Final = _Resolve(_resolve)


def _addresses(found: Any) -> Iterator[str]:
    while found:
        info = found.contents
        offset, size = (4, 4) if info.family == socket.AF_INET else (8, 16)
        yield socket.inet_ntop(info.family, ctypes.string_at(info.address + offset, size))
        found = info.next


def guard(handle: Any, check: Check, servers: Sequence[str]) -> None:
    """Let ``check`` judge all hosts of a client that has none yet, then tell it the servers, each as ``host:port``."""
    rdkafka = handle_of(handle)
    _checks[id(handle)] = check
    librdkafka.rd_kafka_conf_set_resolve_cb(librdkafka.rd_kafka_conf(rdkafka), _resolve_callback)
    if librdkafka.rd_kafka_brokers_add(rdkafka, ",".join(servers).encode()) == 0:
        raise RuntimeError("librdkafka takes none of these servers.")


def handle_of(client: Any) -> int:
    """Return librdkafka's handle of a client of confluent-kafka; raise RuntimeError when it is not where it was."""
    rdkafka = _place(client).value
    if rdkafka is None or librdkafka.rd_kafka_opaque(rdkafka) != id(client):
        raise RuntimeError("This release of confluent-kafka keeps librdkafka's handle elsewhere.")
    return rdkafka


def _place(client: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p.from_address(id(client) + object.__basicsize__)


def drop_queued(handle: Any) -> None:
    """Fail the messages of a producer that have not begun to be sent."""
    librdkafka.rd_kafka_purge(handle_of(handle), _QUEUED | _WITHOUT_WAITING)


def release(held: list[Any]) -> None:
    """Take a client out of ``held`` and end it: confluent-kafka would keep the lock meanwhile, which look-ups need."""
    handle = held.pop()
    if isinstance(handle, confluent_kafka.Consumer):
        # It leaves its group, lets go of the lock for it, and of a queue that only it knows.
        handle.close()
        _checks.pop(id(handle), None)
        return
    rdkafka = handle_of(handle)
    librdkafka.rd_kafka_purge(rdkafka, _QUEUED | _IN_FLIGHT | _WITHOUT_WAITING)
    with suppress(KafkaException):
        handle.poll(0)
    _place(handle).value = None  # so that confluent-kafka takes it for closed
    librdkafka.rd_kafka_destroy(rdkafka)
    _checks.pop(id(handle), None)
