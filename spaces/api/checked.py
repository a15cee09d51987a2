"""What holds for every request to the API, before a view does anything."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

from django.db.models import Model
from django.http.request import RawPostDataException
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed, ValidationError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from spaces.api.authentication import ENDED
from spaces.api.idempotency import HEADER, Once
from spaces.api.queries import check_parameters
from spaces.models import ApiKey
from spaces.services import InvalidKey, reload_key

ModelT_co = TypeVar("ModelT_co", bound=Model, covariant=True)


def takes_no_body(responses: Any) -> Callable[[Any], Any]:
    """Decorate the action of a viewset that refuses any field; ``responses`` is as extend_schema has it."""

    def decorate(method: Any) -> Any:
        method.takes_no_body = True
        return extend_schema(request=None, responses=responses)(method)

    return decorate


def _refuse_body(request: Request) -> None:
    """Raise ParseError for what cannot be read, ValidationError for anything but no body or an empty object."""
    data = request.data
    if isinstance(data, Mapping):
        if data:
            raise ValidationError({name: ["There is no such field."] for name in data})
    elif data is not None:
        raise ValidationError(["Send no body here, or an empty object."])


class CheckedViewSet(GenericViewSet[ModelT_co]):
    """A viewset that looks at the caller's rate, then at what they may do, then whether they asked the same before."""

    # Actions whose answer holds what is shown once, and so is not kept.
    shown_once: ClassVar[frozenset[str]] = frozenset()
    # Actions that change nothing, so that they may be repeated.
    repeatable: ClassVar[frozenset[str]] = frozenset()

    # Query parameters that an action takes, beside those of the filters of a list.
    parameters: ClassVar[Mapping[str, Collection[str]]] = {}
    # Whether an answer that shows one object has an ETag.
    has_etag: ClassVar[bool] = False

    _once: Once | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        check_parameters(request, self)
        if getattr(getattr(self, self.action or "", None), "takes_no_body", False):
            _refuse_body(request)
        if request.method == "POST" and HEADER in request.headers and self.action not in self.repeatable:
            self._once = Once(request, withholds=self.action in self.shown_once)

    def perform_authentication(self, request: Request) -> None:
        super().perform_authentication(request)
        if request.method in SAFE_METHODS or not (request.auth or request.user.is_authenticated):
            return
        # A body may be long on its way. What it asks for is done by who is in when it has come, not when it began.
        with suppress(RawPostDataException):  # a form, which CSRF's check has read
            _ = request._request.body
        if isinstance(request.auth, ApiKey):
            try:
                request.auth = reload_key(request.auth)
            except InvalidKey:
                raise AuthenticationFailed(ENDED) from None

    def check_permissions(self, request: Request) -> None:
        # First the rate: a refusal is written down, and nobody may have that done without end.
        super().check_throttles(request)
        super().check_permissions(request)

    def check_throttles(self, request: Request) -> None:
        """Nothing: it was done before the permissions."""

    def handle_exception(self, exc: Exception) -> Any:
        if self._once is not None:
            self._once.give_up()
            self._once = None
        return super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        if self._once is not None:
            self._once.finish(response)
        return response
