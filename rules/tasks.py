"""Celery tasks of the evaluation engine: wake-ups, which may be lost, late or doubled without harm."""

from celery import shared_task

from actions import wakeups
from rules.evaluation.rounds import evaluator
from rules.services.accept import EVALUATE


@shared_task(name=EVALUATE)
def evaluate() -> None:
    """Evaluate the events that were accepted; also runs as the sweep."""
    wakeups.begun(EVALUATE)
    evaluator.run()
