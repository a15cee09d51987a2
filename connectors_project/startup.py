"""What each process does as it starts."""

import logging
from typing import Any

from celery.signals import beat_init, setup_logging, worker_ready

logger = logging.getLogger(__name__)


@setup_logging.connect
def _leave_logging_alone(**_: Any) -> None:
    """With a receiver here Celery keeps its hands off the root logger's level, which LOG_LEVEL sets."""


@worker_ready.connect
def _worker_is_ready(**_: Any) -> None:
    logger.info("Worker is ready.")


@beat_init.connect
def _scheduler_is_ready(**_: Any) -> None:
    logger.info("Scheduler is ready.")
