"""Answers to the console's dialogs, which htmx takes."""

from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

DELETED: Final = "Somebody deleted this connector meanwhile."


def go_to(url: str) -> HttpResponse:
    """Return an answer that leads to a whole page, where a redirect would be loaded into the dialog."""
    return HttpResponse(headers={"HX-Redirect": url})


def gone(request: HttpRequest) -> HttpResponse:
    """Return to the list: the connector that the dialog is about does not exist any more."""
    messages.warning(request, DELETED)
    return go_to(reverse("admin:connectors_connector_changelist"))
