"""What holds for every request to the API, before a view does anything."""

from typing import Any, ClassVar, TypeVar

from django.db.models import Model
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from spaces.api.idempotency import HEADER, Once

ModelT_co = TypeVar("ModelT_co", bound=Model, covariant=True)


class CheckedViewSet(GenericViewSet[ModelT_co]):
    """A viewset that looks at the caller's rate, then at what they may do, then whether they asked the same before."""

    # Actions whose answer holds what is shown once, and so is not kept.
    shown_once: ClassVar[frozenset[str]] = frozenset()
    # Actions that change nothing, so that they may be repeated.
    repeatable: ClassVar[frozenset[str]] = frozenset()

    _once: Once | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method == "POST" and HEADER in request.headers and self.action not in self.repeatable:
            self._once = Once(request, withholds=self.action in self.shown_once)

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
