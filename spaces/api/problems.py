"""Every error under ``/api/`` as RFC 9457 ``application/problem+json``."""

import logging
from collections.abc import Callable, Iterator, Mapping
from math import ceil
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions

from spaces.api.idempotency import Answered
from spaces.errors import FieldError, InUse, InvalidInput, QuotaReached, ReadOnly
from spaces.problems import problem
from spaces.validation import extend
from spaces.versions import Stale

logger = logging.getLogger(__name__)

PREFIX = "/api/"
NOT_FOUND = "There is nothing at this address, or it is not yours to see."
STALE = "Somebody changed this since you read it. Read it again, and send your change with its new ETag."
BUSY = "The database does not answer now, or is busy for too long. Nothing was done: send the request again."
NON_FIELD = "non_field_errors"


class InvalidQuery(exceptions.APIException):
    """Parameters of the query string that cannot be used: name to what is wrong with it."""

    status_code = 400

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self.parameters = parameters
        super().__init__(" ".join(f"{name}: {detail}" for name, detail in parameters.items()))


class BodyTooLarge(exceptions.APIException):
    """The request body is longer than this address takes."""

    status_code = 413
    default_detail = "The request body is too large."


def handle_exception(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """DRF's EXCEPTION_HANDLER. None for what is not the client's fault: Django logs it and calls server_error."""
    match error:
        case QuotaReached():
            return problem(409, error.errors[0].detail)
        case InvalidInput():
            return problem(400, "The request body cannot be accepted.", errors=error.errors)
        case InUse():
            return problem(409, str(error), users=[{"type": kind, "id": id_} for kind, id_ in error.users])
        case ReadOnly():
            return problem(409, str(error))
        case Answered():
            return error.response
        case Stale():
            return problem(412, STALE)
        case OperationalError() | InterfaceError():
            logger.error("The database failed a request: %s", error)
            return problem(503, BUSY, headers={"Retry-After": "5"})
        case InvalidQuery():
            parameters = [{"name": name, "detail": detail} for name, detail in error.parameters.items()]
            return problem(400, "The query string cannot be used.", parameters=parameters)
        case exceptions.ValidationError():
            return problem(400, "The request body cannot be accepted.", errors=list(_field_errors(error.detail, "")))
        case Http404() | ObjectDoesNotExist() | exceptions.NotFound():
            return problem(404, NOT_FOUND)
        case PermissionDenied():
            return problem(403, "You may not do this.")
        case RequestDataTooBig():
            return problem(413, BodyTooLarge.default_detail)
        case exceptions.APIException():
            return problem(error.status_code, str(error.detail), headers=_headers(error))
    return None


def _headers(error: exceptions.APIException) -> dict[str, str]:
    if auth_header := getattr(error, "auth_header", None):
        return {"WWW-Authenticate": auth_header}
    if wait := getattr(error, "wait", None):
        return {"Retry-After": str(ceil(wait))}
    return {}


def _field_errors(detail: Any, pointer: str) -> Iterator[FieldError]:
    """Flatten what a DRF ValidationError carries into one FieldError for each message."""
    match detail:
        case Mapping():
            for name, inner in detail.items():
                yield from _field_errors(inner, pointer if name == NON_FIELD else extend(pointer, name))
        case list():
            for inner in detail:
                yield from _field_errors(inner, pointer)
        case _:
            yield FieldError(pointer, str(detail))


@csrf_exempt
def not_found(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """The view of every address under ``/api/`` that no other view answers."""
    return problem(404, NOT_FOUND)


def _handler(status: int, detail: str, elsewhere: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Return a Django error view: a problem under ``/api/``, the page of ``elsewhere`` for any other address."""

    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.path.startswith(PREFIX):
            return problem(status, detail)
        return elsewhere(request, *args, **kwargs)

    return answer


bad_request = _handler(400, "The request cannot be understood.", defaults.bad_request)
permission_denied = _handler(403, "You may not do this.", defaults.permission_denied)
page_not_found = _handler(404, NOT_FOUND, defaults.page_not_found)
server_error = _handler(500, "Something failed here; the log of the server has the cause.", defaults.server_error)
