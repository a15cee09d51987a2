"""Runs a plugin of apprise without letting it touch the network.

A plugin sends by calling ``requests.post`` or ``requests.get`` of its module. Those of the services that may be used
get a stand-in for that module, which answers from what is known, and stops the plugin where it asks for more. Who runs
it makes the request, and runs it again with the answer: so the network policy, timeouts and concurrency are those of
every connector, and no thread waits.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Final

from connectors.net.exchange import Response, Result
from connectors.net.session import headers_of, response_to
from connectors.types.apprise.schemas import AppriseParams
from connectors.types.apprise.services import SERVICES, Service

HOW_TO_INSTALL: Final = (
    "The library apprise is not installed. Whoever runs this installation adds it with make apprise, or installs "
    "requirements/apprise.txt."
)
# What a URL may say that is the connector's, or nobody's, to say.
_NOT_TAKEN: Final = ("retry", "wait", "optional", "cto", "rto", "verify", "redirect", "store", "tz", "emojis")
_MOST_LINES: Final = 5
_lock = threading.Lock()


class NotInstalled(Exception):
    """The extra apprise is missing."""


class BadServiceUrl(Exception):
    """The plugin cannot make anything of the URL."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a plugin asks of its service; names of headers in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Asked(BaseException):
    """The plugin asks for something that is not known yet. No Exception, for plugins catch some of those."""

    def __init__(self, call: Call) -> None:
        self.call = call
        super().__init__()


@dataclass(slots=True)
class _Run:
    """One run of a plugin in this thread: the results to its first requests, and what it says."""

    results: Sequence[Result]
    used: int = 0


class _Running(threading.local):
    run: _Run | None = None
    lines: list[str] | None = None


_running = _Running()


def run(service: str, url: str, params: AppriseParams, results: Sequence[Result]) -> tuple[bool, str]:
    """Let the plugin send with these results to its first requests; return whether it is content, and what it said.

    Raises Asked when it has a further request, NotInstalled, or BadServiceUrl. What it says may have secrets in it.
    """
    plugin_class = _load(SERVICES[service])
    apprise = import_module("apprise")
    with _heard() as lines:
        plugin = _open(apprise, plugin_class, url)
        plugin.request_rate_per_sec = 0  # its pause between two requests is a sleep
        text = import_module("apprise.conversion").convert_between(
            apprise.NotifyFormat.TEXT, plugin.notify_format, params.body
        )
        _running.run = _Run(results)
        try:
            is_content = plugin.notify(
                body=text,
                title=params.title,
                notify_type=apprise.NotifyType(params.type),
                overflow=apprise.OverflowMode.TRUNCATE,
                body_format=plugin.notify_format,
            )
        finally:
            _running.run = None
    return bool(is_content), " ".join(lines[-_MOST_LINES:])


def check_url(service: str, url: str) -> None:
    """Raise BadServiceUrl for a URL that the plugin cannot read, or NotInstalled."""
    plugin_class = _load(SERVICES[service])
    with _heard():
        _open(import_module("apprise"), plugin_class, url)


def _open(apprise: Any, plugin_class: Any, url: str) -> Any:
    try:
        read = plugin_class.parse_url(url)
        if not read:
            raise BadServiceUrl
        for name in _NOT_TAKEN:
            read.pop(name, None)
        return plugin_class(**read, asset=apprise.AppriseAsset(storage_path=None))
    except (TypeError, ValueError, AttributeError, KeyError):
        raise BadServiceUrl from None


@cache
def _load(service: Service) -> Any:
    """Return the class of a plugin, whose module has its requests replaced."""
    try:
        module: Any = import_module(f"apprise.plugins.{service.module}")
        logger = import_module("apprise.logger").logger
    except ImportError:
        raise NotInstalled(HOW_TO_INSTALL) from None
    with _lock:
        if not isinstance(module.requests, _Requests):
            module.requests = _Requests(module.requests)
        if not any(isinstance(handler, _Listener) for handler in logger.handlers):
            # It writes whole messages and URLs, secrets among them.
            logger.handlers = [_Listener(logging.WARNING)]
            logger.propagate = False
            logger.setLevel(logging.WARNING)
    return getattr(module, service.plugin)


class _Requests:
    """Stands for the module requests within a plugin."""

    def __init__(self, requests: Any) -> None:
        self._requests = requests

    def __getattr__(self, name: str) -> Any:
        if name in ("get", "post"):
            return lambda url, **said: self._ask(name.upper(), url, **said)
        if name in ("codes", "RequestException", "exceptions", "ConnectionError", "Timeout"):
            return getattr(self._requests, name)
        raise AttributeError(f"A plugin of apprise may not use requests.{name}.")

    def _ask(self, method: str, url: str, **said: Any) -> Any:
        run = _running.run
        if run is None:
            raise self._requests.RequestException("A plugin of apprise sends by itself.")
        parts = {name: said[name] for name in ("data", "json", "params", "headers", "auth") if name in said}
        prepared = self._requests.Request(method, url, **parts).prepare()
        if run.used == len(run.results):
            body = prepared.body
            raise Asked(
                Call(method, prepared.url, headers_of(prepared), body.encode() if isinstance(body, str) else body)
            )
        result = run.results[run.used]
        run.used += 1
        if isinstance(result, Response):
            return response_to(prepared, result)
        raise self._requests.ConnectionError(result.detail)


class _Listener(logging.Handler):
    """Hands what apprise says to the run in whose thread it says it, and to nobody else."""

    def emit(self, record: logging.LogRecord) -> None:
        if _running.lines is not None:
            _running.lines.append(record.getMessage())


@contextmanager
def _heard() -> Iterator[list[str]]:
    lines: list[str] = []
    _running.lines = lines
    try:
        yield lines
    finally:
        _running.lines = None
