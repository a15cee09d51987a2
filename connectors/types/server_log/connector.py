"""The server log connector type: one line a message, in the log of the process that delivers it."""

import logging
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import structlog

from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.base import Adopted, Connection, ConnectorType, Message
from connectors.types.conversations import BadMessage
from connectors.types.rendered import check_choice
from connectors.types.server_log.schemas import LEVELS, ServerLogConfig, ServerLogParams, ServerLogSecrets

MAX_LINE: Final = 8192  # characters
_LOGGER: Final = "switchyard.server_log"
_NUMBERS: Final = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}
# What ends a line or moves the cursor on some terminal, and what reorders text on a screen.
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
logger = structlog.get_logger(_LOGGER)


class ServerLogConnectorType(ConnectorType[ServerLogConfig, ServerLogSecrets, ServerLogParams]):
    """Writes lines to the log."""

    id = "server_log"
    name = "Server log"
    description = "Writes a line to the log of this installation."
    categories = ("logs",)
    icon = "receipt_long"
    is_remote = False
    kibana_id = ".server-log"
    checks = {"log": "Which levels the installation's log writes."}
    results = {
        "the line was written": Reason.OK,
        "a level that there is not": Reason.TEMPLATE_ERROR,
    }
    config_model = ServerLogConfig
    secrets_model = ServerLogSecrets
    params_model = ServerLogParams

    def deliver(
        self,
        connection: Connection[ServerLogConfig, ServerLogSecrets],
        messages: Iterable[Message[ServerLogParams]],
    ) -> Iterator[Outcome]:
        for message in messages:
            yield _write(message)

    def probe(self, connection: Connection[ServerLogConfig, ServerLogSecrets], *, timeout: float) -> Iterator[Step]:
        written = [level for level in LEVELS if _is_written(level)]
        yield Step("log", f"Lines of these levels are written: {', '.join(written)}.")

    def targets(self, config: ServerLogConfig) -> frozenset[str]:
        return frozenset()

    def adopt(self, config: Mapping[str, Any]) -> Adopted:
        return Adopted({})


def as_line(text: str) -> str:
    """Return text as one line that shows all that is in it, cut after MAX_LINE characters."""
    cut = text[:MAX_LINE]
    line = _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), cut)
    return line if len(cut) == len(text) else f"{line} … ({len(text) - MAX_LINE} more characters)"


def _write(message: Message[ServerLogParams]) -> Outcome:
    began = time.monotonic()
    level = message.params.level
    try:
        check_choice("level", level, LEVELS)
    except BadMessage as error:
        return Outcome(message.key, Reason.TEMPLATE_ERROR, str(error))
    line = as_line(message.params.message)
    # Its own word for the level: trace and debug are one to Python.
    logger.log(_NUMBERS[level], line, severity=level, webhook_id=message.webhook_id)
    detail = f"Written as {level}." if _is_written(level) else f"Not written: {level} is below LOG_LEVEL."
    return Outcome(
        message.key, Reason.OK, detail, duration=time.monotonic() - began, request={"level": level, "bytes": len(line)}
    )


def _is_written(level: str) -> bool:
    number = _NUMBERS[level]
    return bool(logger.is_enabled_for(number)) and logging.getLogger(_LOGGER).isEnabledFor(number)
