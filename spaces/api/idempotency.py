"""``Idempotency-Key`` on POST: a request that is sent again after a broken connection is carried out once."""

import re
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from spaces.api.permissions import caller_name
from spaces.services import idempotency
from spaces.services.idempotency import KeyReused, StoredAnswer, Unfinished

HEADER: Final = "Idempotency-Key"
KEY_FORM: Final = re.compile(r"[\x21-\x7e]{1,200}")
_KEPT_HEADERS: Final = ("Location", "ETag", "Content-Type")


class Answered(Exception):
    """The request was answered before; ``response`` is that answer."""

    def __init__(self, response: HttpResponse) -> None:
        self.response = response


class InvalidIdempotencyKey(APIException):
    """The header cannot be used."""

    status_code = 400
    default_detail = f"{HEADER}: use 1 to 200 visible ASCII characters."


class ReusedIdempotencyKey(APIException):
    """The key belongs to another request."""

    status_code = 422
    default_detail = f"{HEADER}: another request had this key. Give each new request a new one."


class UnfinishedRequest(APIException):
    """The first request with the key has not ended."""

    status_code = 409
    wait = 2
    default_detail = (
        f"{HEADER}: the request with this key is being carried out, or broke off. Should this answer stay, look "
        "whether it was carried out, and send it again with a new key."
    )


class Once:
    """One request that must be carried out once. Raises Answered and APIException when it is not to be now."""

    def __init__(self, request: Request, *, withholds: bool) -> None:
        self._key = request.headers[HEADER]
        if not KEY_FORM.fullmatch(self._key):
            raise InvalidIdempotencyKey
        self._caller = caller_name(request)
        self._withholds = withholds
        try:
            former = idempotency.begin(self._caller, self._key, _fingerprint(request._request))
        except KeyReused:
            raise ReusedIdempotencyKey from None
        except Unfinished:
            raise UnfinishedRequest from None
        if former is not None:
            raise Answered(_response_of(former))

    def finish(self, response: Any) -> None:
        """Keep what the request is answered, once it is rendered."""
        if isinstance(response, Response):
            response.add_post_render_callback(self._keep)
        else:
            self._keep(response)

    def give_up(self) -> None:
        """Let the request be sent again: it failed."""
        idempotency.finish(self._caller, self._key, StoredAnswer(500, {}, ""))

    def _keep(self, response: HttpResponse) -> None:
        headers = {name: response[name] for name in _KEPT_HEADERS if name in response}
        body = "" if self._withholds else response.content.decode()
        idempotency.finish(self._caller, self._key, StoredAnswer(response.status_code, headers, body))


class WithheldAnswer(APIException):
    """The request was carried out before, and its answer cannot be had again."""

    status_code = 409
    default_detail = (
        f"{HEADER}: this was done by an earlier request with the same key. Its answer is not kept: it held an API key, "
        "which is shown once, or was too long. Look at what was done; revoke an API key that is lost."
    )


def _response_of(former: StoredAnswer) -> HttpResponse:
    if not former.body and former.status != 204:
        raise WithheldAnswer
    return HttpResponse(former.body, status=former.status, headers={**former.headers, "Idempotency-Replayed": "true"})


def _fingerprint(request: HttpRequest) -> str:
    digest = sha256(f"{request.method} {request.get_full_path()}\n".encode("utf-8", "surrogateescape"))
    with suppress(RawPostDataException):  # a form, which CSRF's check has read and no view takes
        digest.update(request.body)
    return digest.hexdigest()
