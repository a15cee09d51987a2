"""What somebody is answered who tried too many passwords; django-axes counts them."""

from collections.abc import Mapping
from math import ceil
from typing import Any, Final

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone

from spaces.api.problems import PREFIX
from spaces.problems import problem

_LONGEST_NAME: Final = 255  # of the column in django-axes


def name_tried(request: HttpRequest, credentials: Mapping[str, Any] | None) -> str | None:
    """Return the user name of an attempt as it is counted: no longer than its column, whether or not it exists."""
    name = (credentials or request.POST).get("username")
    return str(name)[:_LONGEST_NAME].replace("\0", "") if name is not None else None


def refuse(request: HttpRequest, response: HttpResponse, credentials: Mapping[str, Any] | None) -> HttpResponse:
    """Return 429 with the time to wait, the same for a name that exists and one that does not."""
    seconds = _seconds_to_wait(request, credentials)
    headers = {"Retry-After": str(seconds), "Cache-Control": "no-store"}
    if request.path.startswith(PREFIX):
        return problem(429, "Too many wrong passwords. Wait, then try again.", headers=headers)
    context = {**admin.site.each_context(request), "title": "Too many attempts", "minutes": ceil(seconds / 60)}
    return HttpResponse(render_to_string("admin/locked_out.html", context, request), status=429, headers=headers)


def _seconds_to_wait(request: HttpRequest, credentials: Mapping[str, Any] | None) -> int:
    attempts = AccessAttempt.objects.filter(
        username=name_tried(request, credentials),
        ip_address=request.axes_ip_address,  # type: ignore[attr-defined]
    )
    last = attempts.aggregate(last=Max("attempt_time"))["last"] or timezone.now()
    return max(1, ceil((last + settings.AXES_COOLOFF_TIME - timezone.now()).total_seconds()))
