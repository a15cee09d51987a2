"""Whether a process lives, and whether it can do its work: for load balancers and orchestrators."""

from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse


class HealthMiddleware:
    """Answers /healthz and /readyz before anything else looks at the request.

    So they are neither logged nor refused for their host, which is the address of a machine and none of ALLOWED_HOSTS.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        match request.path_info:
            case "/healthz":
                return _live()
            case "/readyz":
                return _ready()
            case _:
                return self._get_response(request)


def _live() -> HttpResponse:
    return HttpResponse("ok\n", content_type="text/plain")


def _ready() -> HttpResponse:
    """200 while the database answers, 503 otherwise. The broker is left out: ingest works without it."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        return HttpResponse("The database does not answer.\n", status=503, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")
