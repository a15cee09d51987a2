"""What each process does as it starts."""

import gc
import logging
import resource
import sys
from typing import Any

from celery.platforms import signals
from celery.signals import beat_init, setup_logging, worker_ready
from django.conf import settings
from django.core.checks import ERROR, CheckMessage, Tags, run_checks
from django.db import DatabaseError, connections

logger = logging.getLogger(__name__)


def refuse_if_misconfigured() -> None:
    """End the process with status 1 and each error of the system checks on standard error, if there is one.

    Warnings are logged. The database is looked at only where the settings are right.
    """
    messages = run_checks()
    if not _errors(messages):
        was_connected = connections["default"].connection is not None
        messages += run_checks(tags=[Tags.database], databases=["default"])
        if not was_connected:
            connections.close_all()  # processes that are forked after this must not share a connection
    errors = _errors(messages)
    for error in errors:
        sys.stderr.write(f"{error.id}: {error.msg}\n  {error.hint or ''}\n")
    if errors:
        sys.exit(1)
    for warning in messages:
        logger.warning("%s: %s %s", warning.id, warning.msg, warning.hint or "")


def _errors(messages: list[CheckMessage]) -> list[CheckMessage]:
    return [message for message in messages if message.level >= ERROR]


def load_connectors_file() -> None:
    """Take up what CONNECTORS_FILE says now, if this process has one.

    A process that was started without the setting takes nothing away: only ``bootstrap`` and ``run`` do.
    """
    if not settings.CONNECTORS_FILE:
        return
    # Imported here: processes import this module before Django's apps are set up.
    from connectors.services.preconfigured import sync_preconfigured

    try:
        sync_preconfigured()
    except DatabaseError:
        logger.exception("The connectors of CONNECTORS_FILE could not be loaded: the database cannot be used.")
    finally:
        connections.close_all()


def tell_of_refusals() -> None:
    """Let this process, which takes in events, tell of those that it refuses."""
    from rules.sources.refusals import refusals

    refusals.start()


def tune_interpreter() -> None:
    """Set the interpreter up for threads that handle batches of thousands of short-lived objects.

    The garbage collector leaves the modules alone and looks less often: it took a tenth of a worker's time. Threads
    take turns ten times as often: libcurl's callbacks wait for theirs while another thread computes.
    """
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def allow_many_files() -> None:
    """Let this process open as many files as the system allows: hundreds of connectors have sockets of their own."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@setup_logging.connect
def _leave_logging_alone(**_: Any) -> None:
    """With a receiver here Celery keeps its hands off the root logger's level, which LOG_LEVEL sets."""


@worker_ready.connect
def _worker_is_ready(**_: Any) -> None:
    load_connectors_file()
    allow_many_files()
    tune_interpreter()
    logger.info("Worker is ready.")


@beat_init.connect
def _scheduler_is_ready(sender: Any, **_: Any) -> None:
    def stop(signum: int, frame: object) -> None:
        # Celery's own handler raises only. What is under way may lose that in an error of its own, and beat go on.
        sender.stop()
        raise SystemExit

    signals.update(SIGTERM=stop, SIGINT=stop)
    logger.info("Scheduler is ready.")
