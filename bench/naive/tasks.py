"""One task an execution."""

import requests
from celery import shared_task
from django.utils import timezone

from bench.naive.models import Execution
from bench.naive.settings import SINK_URL


@shared_task(autoretry_for=(requests.RequestException,), retry_backoff=True, max_retries=5)
def deliver(execution_id: int) -> None:
    """Post one execution's message and save what became of it."""
    execution = Execution.objects.get(pk=execution_id)
    event = execution.event
    message = {"id": event.event_id, "site": event.data["site"], "temperature": event.data["temperature"]}
    response = requests.post(SINK_URL, json=message, timeout=10)
    response.raise_for_status()
    execution.status = "delivered"
    execution.response_code = response.status_code
    execution.finished_at = timezone.now()
    execution.save()
