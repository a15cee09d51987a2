"""How often a caller may send requests."""

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from spaces.api.permissions import caller_name, caller_of
from spaces.models import ApiKey
from spaces.services.limits import TooMany, count_request

if TYPE_CHECKING:
    from rest_framework.views import APIView


class CallerThrottle(BaseThrottle):
    """A key's own rate, or API_RATE, in a minute. Anonymous requests are refused anyway and cost next to nothing."""

    _wait: float | None = None

    def allow_request(self, request: Request, view: "APIView") -> bool:
        caller = caller_of(request)
        if caller.pk is None:
            return True
        own = caller.max_requests_per_minute if isinstance(caller, ApiKey) else None
        try:
            count_request(caller_name(request), settings.API_RATE if own is None else own)
        except TooMany as refusal:
            self._wait = refusal.wait
            return False
        return True

    def wait(self) -> float | None:
        return self._wait
