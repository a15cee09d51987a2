"""Celery tasks of the evaluation engine: wake-ups, which may be lost, late or doubled without harm."""

from celery import shared_task

from actions import wakeups
from rules.evaluation.rounds import evaluator
from rules.history.counting import forget_minutes
from rules.services.accept import EVALUATE
from rules.services.own_events import announce_deaths, announce_failing
from rules.services.quotas import count_stored_events
from rules.services.retention import delete_old, drop_lost_buckets
from rules.services.source_status import settle_all


@shared_task(name=EVALUATE)
def evaluate() -> None:
    """Evaluate the events that were accepted; also runs as the sweep."""
    wakeups.begun(EVALUATE)
    evaluator.run()


@shared_task(name="rules.tasks.count_stored_events")
def count() -> None:
    """Count what spaces hold that may hold so much only, and forget counts of rules that hours have too."""
    count_stored_events()
    forget_minutes()


@shared_task(name="rules.tasks.announce")
def announce() -> None:
    """Make events of deliveries that died or fail again and again, and of sources that nobody reads any longer."""
    announce_deaths()
    announce_failing()
    settle_all()


@shared_task(name="rules.tasks.delete_old")
def delete() -> None:
    """Delete for a while what spaces do not keep any longer."""
    delete_old()
    drop_lost_buckets()
