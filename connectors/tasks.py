"""Celery tasks of connectors. Each may be lost, late or doubled without harm."""

from celery import shared_task

from connectors.services.circuits import settle_degraded
from connectors.services.health import check_health


@shared_task(name="connectors.tasks.check_health")
def check() -> None:
    """Probe the connectors that are due; close the circuits of those that no longer fail."""
    settle_degraded()
    check_health()
