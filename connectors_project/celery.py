"""The Celery application. Messages are wake-ups that carry ids; the database is the truth."""

import os
from typing import Any

from celery import Celery
from celery.signals import import_modules, worker_ready, worker_shutdown, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectors_project.settings")
# Celery would run the system checks and go on whatever they find.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("switchyard")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@import_modules.connect(sender=app)
def _refuse_if_misconfigured(**kwargs: Any) -> None:
    # Workers and beat come here first, once Django is set up.
    from connectors_project.startup import refuse_if_misconfigured

    refuse_if_misconfigured()


@worker_ready.connect
def _start_clock(**kwargs: Any) -> None:
    # Imported here: Celery is set up before Django's apps are.
    from rules.history.journal import journal
    from rules.scheduling.clock import clock

    journal.start()
    clock.start()


@worker_shutting_down.connect
def _stop_evaluating(**kwargs: Any) -> None:
    from rules.evaluation.rounds import evaluator
    from rules.scheduling.clock import clock

    evaluator.stop()
    clock.stop()


@worker_shutdown.connect
def _stop_delivering(**kwargs: Any) -> None:
    from actions.engine.lanes import lanes
    from rules.history.journal import journal
    from rules.scheduling.clock import clock

    clock.end()
    lanes.stop()
    journal.end()
