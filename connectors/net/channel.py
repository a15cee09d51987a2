"""One libcurl multi handle: many transfers in flight, and the connections kept alive between them."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

import pycurl

from connectors.net.exchange import Failure, Request, Result, Trace
from connectors.net.policy import BlockedTarget, NetworkPolicy, check_proxy
from connectors.net.resolver import NameNotFound, resolve
from connectors.net.slot import Slot
from connectors.net.terms import Proxy
from connectors.net.urls import BadUrl, Origin, parse_url
from connectors.outcomes import Reason

_VET_AGAIN: Final = 30.0  # seconds after which a host's addresses are looked up and judged again
_LONGEST_WAIT: Final = 1.0
_SHORTEST_PAUSE: Final = 0.002
_FD_SETSIZE: Final = 1024
_BLIND_WAIT: Final = 0.005
_LONGEST_BLIND_WAIT: Final = 0.08


class Channel:
    """For one thread at a time. Each origin is vetted before it is used, each address when its socket is opened."""

    def __init__(self, policy: NetworkPolicy) -> None:
        self.policy = policy
        self._multi = pycurl.CurlMulti()
        self._idle: list[Slot] = []
        self._active: dict[Any, Slot] = {}
        self._vetted: dict[tuple[str, Proxy | None], float] = {}  # until when (monotonic)
        self._is_blind = False
        self._blind_wait = _BLIND_WAIT

    @property
    def weight(self) -> int:
        """How many connections it may hold open."""
        return len(self._idle)

    def send_many(
        self, requests: Iterable[Request], concurrency: int, wait: Callable[[], float] | None = None
    ) -> Iterator[tuple[Request, Result]]:
        """Send each request; yield it with what became of it as that is known, in any order.

        ``requests`` is pulled lazily: one each time there is room under ``concurrency``, and while others are under
        way, none before ``wait`` says that it is to be had. An iterator that has none now may have one later: it is
        asked again while others are under way. Closing the iterator drops what is under way.
        """
        self._multi.setopt(pycurl.M_MAXCONNECTS, concurrency)
        waiting = iter(requests)
        try:
            while True:
                pause = 0.0
                while len(self._active) < concurrency:
                    if wait is not None and self._active and (pause := wait()) > 0:
                        break
                    request = next(waiting, None)
                    if request is None:
                        break
                    if failure := self._start(request):
                        yield request, failure
                if not self._active:
                    return
                self._multi.perform()
                finished = self._finished()
                if not finished:
                    self._wait(pause)
                yield from finished
        finally:
            for curl, slot in self._active.items():
                self._multi.remove_handle(curl)
                self._idle.append(slot)
            self._active.clear()

    def trace(self, request: Request) -> tuple[Result, Trace | None]:
        """Send one request over a new connection; return what became of it, and how far it came if it was begun."""
        slot = Slot(self.policy, self._note_socket)
        slot.curl.setopt(pycurl.OPT_CERTINFO, 1)
        slot.curl.setopt(pycurl.FRESH_CONNECT, 1)
        self._idle.append(slot)
        ((_, result),) = self.send_many([request], 1)
        return result, slot.trace() if slot.began else None

    def close(self) -> None:
        """Close all connections. The channel is of no more use."""
        for slot in self._idle:
            slot.close()
        self._idle.clear()
        self._multi.close()

    def _start(self, request: Request) -> Failure | None:
        end = request.url.find("/", len("https://"))
        origin = request.url[:end] if end > 0 else request.url
        pins: list[str] = []
        waited = 0.0
        if self._vetted.get((origin, request.proxy), 0.0) < (began := time.monotonic()):
            try:
                pins = self._vet(origin, request.proxy)
            except BadUrl as error:
                return Failure(Reason.BAD_CONFIG, str(error))
            except BlockedTarget as error:
                return Failure(Reason.BLOCKED_TARGET, str(error))
            except NameNotFound as error:
                return Failure(Reason.RETRY_DNS, str(error), time.monotonic() - began)
            waited = time.monotonic() - began
        slot = self._idle.pop() if self._idle else Slot(self.policy, self._note_socket)
        if pins:
            slot.curl.setopt(pycurl.RESOLVE, pins)
        slot.prepare(request, request.timeout - waited if pins else request.timeout)
        self._active[slot.curl] = slot
        self._multi.add_handle(slot.curl)
        return None

    def _vet(self, text: str, proxy: Proxy | None) -> list[str]:
        """Judge where ``text`` points; return the addresses to use, as CURLOPT_RESOLVE takes them."""
        origin, _ = parse_url(text)
        if str(origin) != text:
            raise BadUrl(f"Write {origin} for this URL's beginning.")
        self.policy.check_origin(origin)
        check_proxy(self.policy, proxy)
        pins: list[str] = []
        if proxy is not None:
            self._judge_behind_proxy(origin)
        elif not origin.is_address:
            pins = [self._pin(origin)]
        self._vetted[text, proxy] = time.monotonic() + _VET_AGAIN
        return pins

    def _judge_behind_proxy(self, origin: Origin) -> None:
        # The proxy looks the name up itself, and may know names that nobody here does.
        with suppress(NameNotFound):
            self._addresses(origin)

    def _addresses(self, origin: Origin) -> tuple[str, ...]:
        addresses = (origin.host,) if origin.is_address else resolve(origin.host)
        # One denied address is enough: a name that points both ways is set up to get around this check.
        if any(self.policy.is_denied(address) for address in addresses):
            raise BlockedTarget(self.policy.why_denied(origin.host))
        return addresses

    def _pin(self, origin: Origin) -> str:
        listed = ",".join(f"[{address}]" if ":" in address else address for address in self._addresses(origin))
        return f"{origin.host}:{origin.port}:{listed}"

    def _finished(self) -> list[tuple[Request, Result]]:
        _, succeeded, failed = self._multi.info_read(len(self._active))
        finished = [self._take_back(curl).response() for curl in succeeded]
        finished += [self._take_back(curl).failure(code, message) for curl, code, message in failed]
        if finished:
            self._blind_wait = _BLIND_WAIT
        return finished

    def _take_back(self, curl: Any) -> Slot:
        self._multi.remove_handle(curl)
        slot = self._active.pop(curl)
        self._idle.append(slot)
        return slot

    def _wait(self, pause: float) -> None:
        """Return when a socket is ready, a deadline of curl's has come, or after ``pause`` seconds unless that is 0."""
        timeout = self._multi.timeout() / 1000
        if self._is_blind:
            time.sleep(self._blind_wait)
            self._blind_wait = min(self._blind_wait * 2, _LONGEST_BLIND_WAIT)
        elif timeout != 0:
            longest = min(max(pause, _SHORTEST_PAUSE), _LONGEST_WAIT) if pause else _LONGEST_WAIT
            self._multi.select(timeout if 0 < timeout < longest else longest)

    def _note_socket(self, descriptor: int) -> None:
        # select() cannot watch descriptors from 1024 on, and libcurl leaves them out without a word.
        if descriptor >= _FD_SETSIZE:
            self._is_blind = True
