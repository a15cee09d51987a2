"""Tells the audit log who sends a request."""

from collections.abc import Callable
from ipaddress import ip_address

from django.http import HttpRequest, HttpResponse

from spaces.audit import Actor, Kind, acting
from spaces.models import ApiKey


class ActorMiddleware:
    """Names the user or API key of the request; it is found out only when something is recorded."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with acting(lambda: _actor_of(request)):
            return self._get_response(request)


def _actor_of(request: HttpRequest) -> Actor:
    key = getattr(request, "auth", None)  # set by DRF's authentication
    address = address_of(request)
    if isinstance(key, ApiKey):
        return Actor(Kind.API_KEY, f"{key.name} ({key.prefix}…)", address)
    if request.user.is_authenticated:
        return Actor(Kind.USER, request.user.get_username(), address)
    return Actor(Kind.USER, "anonymous", address)


def address_of(request: HttpRequest) -> str | None:
    """Return the address that the request came from, if it has one."""
    try:
        return str(ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:  # a Unix socket
        return None
