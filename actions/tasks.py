"""Celery tasks of the delivery engine: wake-ups and the sweep. Each may be lost, late or doubled without harm."""

from celery import shared_task

from actions import wakeups
from actions.engine.lanes import lanes
from actions.services.deliveries import sweep_deliveries
from actions.services.jobs import WORK, work_jobs
from actions.wakeups import DELIVER


@shared_task(name=DELIVER)
def deliver(connector_id: int) -> None:
    """Send what is due for one connector."""
    wakeups.begun(DELIVER, connector_id)
    lanes.wake(connector_id)


@shared_task(name="actions.tasks.sweep")
def sweep() -> None:
    """Find what is due, and what vanished workers left."""
    sweep_deliveries()


@shared_task(name=WORK)
def work() -> None:
    """Do what the bulk jobs' rates allow by now; also runs as their sweep."""
    wakeups.begun(WORK)
    work_jobs()
