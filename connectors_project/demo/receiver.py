"""A page that takes what the demo delivers and shows it. It keeps nothing but the last requests, in memory."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib import admin
from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

_KEPT: Final = 100
_SHOWN_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    at: datetime
    webhook_id: str
    body: str


_received: deque[Received] = deque(maxlen=_KEPT)


def forget_all() -> None:
    """Empty the page."""
    _received.clear()


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def receiver(request: HttpRequest) -> HttpResponse:
    """POST: keep the request. GET: show the last ones to staff, newest first. HEAD: say that it is there."""
    if request.method == "HEAD":
        return HttpResponse()
    return _take(request) if request.method == "POST" else _show(request)


def _take(request: HttpRequest) -> HttpResponse:
    body = request.read(_SHOWN_BYTES).decode(errors="replace")
    _received.append(Received(timezone.now(), request.headers.get("webhook-id", ""), body))
    return JsonResponse({"received": True})


@staff_member_required
def _show(request: HttpRequest) -> HttpResponse:
    return render(
        request,
        "demo/receiver.html",
        {**admin.site.each_context(request), "title": "Demo receiver", "received": tuple(reversed(_received))},
    )
