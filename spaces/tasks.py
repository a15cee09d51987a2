"""Celery tasks of spaces. Each may be lost, late or doubled without harm."""

from celery import shared_task

from spaces.services.idempotency import forget_old


@shared_task(name="spaces.tasks.forget_answers")
def forget_answers() -> None:
    """Delete the answers to requests that are older than a day."""
    forget_old()
