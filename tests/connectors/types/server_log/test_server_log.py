"""What an action says stands in the log as one line, whatever it says."""

import logging
from typing import Any

import pytest
import structlog

from connectors.outcomes import Outcome, Reason
from connectors.types.base import Connection, Message
from connectors.types.server_log import connector_type
from connectors.types.server_log.connector import MAX_LINE, as_line
from connectors.types.server_log.schemas import ServerLogConfig, ServerLogParams, ServerLogSecrets
from connectors_project.logs import configure_logs


def deliver(**params: Any) -> Outcome:
    message = Message(7, "0d9f", ServerLogParams.model_validate(params))
    (outcome,) = connector_type.deliver(Connection(1, 1, ServerLogConfig(), ServerLogSecrets()), [message])
    return outcome


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "switchyard.server_log")
    return caplog


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "first\nsecond",
        "first\r\n2026-11-30T00:00:00Z [critical] forged",
        "esc \x1b[2K\x1b[1A cursor",
        "bell \x07 nul \x00 del \x7f next-line \x85",
        "separators \u2028 \u2029 and \u202e reordered",
    ],
)
def test_no_line_can_be_forged(text: str, as_json: bool, lines: pytest.LogCaptureFixture) -> None:
    assert deliver(message=text).reason is Reason.OK
    (record,) = [record for record in lines.records if record.name == "switchyard.server_log"]
    formatter = formatter_of(as_json)
    shown = formatter.format(record)
    shown.encode()
    assert len(shown.splitlines()) == 1
    assert all(sign.isprintable() for sign in shown)
    assert text[:4] in shown


def formatter_of(as_json: bool) -> logging.Formatter:
    """Return the formatter of the installation's log; the settings of structlog stay as they were."""
    before = structlog.get_config()
    settings = configure_logs("DEBUG", as_json)["formatters"]["line"]
    structlog.configure(**before)
    return structlog.stdlib.ProcessorFormatter(
        processors=settings["processors"], foreign_pre_chain=settings["foreign_pre_chain"]
    )


def test_what_was_escaped_can_be_read() -> None:
    assert as_line("a\tb\nc\x1b[0m é 😀") == r"a\tb\nc\x1b[0m é 😀"


def test_a_line_is_bounded_and_says_what_was_cut() -> None:
    assert as_line("x" * MAX_LINE) == "x" * MAX_LINE
    assert as_line("x" * (MAX_LINE + 5)) == "x" * MAX_LINE + " … (5 more characters)"


@pytest.mark.parametrize(("level", "number"), [("info", 20), ("warn", 30), ("error", 40), ("fatal", 50)])
def test_each_level_is_written_as_the_log_has_it(level: str, number: int, lines: pytest.LogCaptureFixture) -> None:
    outcome = deliver(message="hello", level=level)
    assert (outcome.reason, outcome.detail) == (Reason.OK, f"Written as {level}.")
    (record,) = [record for record in lines.records if record.name == "switchyard.server_log"]
    assert record.levelno == number
    assert isinstance(record.msg, dict)
    assert (record.msg["event"], record.msg["severity"], record.msg["webhook_id"]) == ("hello", level, "0d9f")


def test_what_is_below_the_level_of_the_log_is_told(lines: pytest.LogCaptureFixture) -> None:
    lines.set_level(logging.WARNING, "switchyard.server_log")
    for level in ("trace", "debug", "info"):
        assert deliver(message="hello", level=level).detail == f"Not written: {level} is below LOG_LEVEL."
    assert lines.records == []
    (step,) = connector_type.probe(Connection(1, 1, ServerLogConfig(), ServerLogSecrets()), timeout=1)
    assert step.detail == "Lines of these levels are written: warn, error, fatal."


def test_a_level_that_a_template_yields_is_checked() -> None:
    outcome = deliver(message="hello", level="{{ loud }}")
    assert (outcome.reason, outcome.detail[:8]) == (Reason.TEMPLATE_ERROR, "level is")


def test_a_level_that_nobody_knows_is_refused_when_saved() -> None:
    with pytest.raises(ValueError, match="Use one of"):
        ServerLogParams(message="x", level="loud")


def test_kibanas_connector_is_this_one() -> None:
    assert connector_type.adopt({}).config == {}
