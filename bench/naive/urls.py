"""One view that takes one event."""

import json

from django.http import HttpRequest, JsonResponse
from django.urls import path

from bench.naive.models import Event, Execution
from bench.naive.rules import matching
from bench.naive.settings import API_TOKEN
from bench.naive.tasks import deliver


def receive(request: HttpRequest) -> JsonResponse:
    """Store the event, and an execution with its task for each rule that matches."""
    if request.headers.get("Authorization") != f"Bearer {API_TOKEN}":
        return JsonResponse({"detail": "unknown token"}, status=401)
    body = json.loads(request.body)
    event = Event.objects.create(event_id=body["id"], source=body["source"], type=body["type"], data=body["data"])
    for rule in matching(event):
        execution = Execution.objects.create(event=event, rule=rule)
        deliver.delay(execution.pk)
    return JsonResponse({"id": event.pk}, status=202)


urlpatterns = [path("events", receive)]
