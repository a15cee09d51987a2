"""What a list takes in its query string: filters, an order, a page. Anything else is refused, never ignored."""

import datetime as dt
from typing import Any, ClassVar, TypeVar

from django import forms
from django.core import signing
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, Count, DateTimeField, Func, Model, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast, Coalesce
from django.db.models.sql.compiler import SQLCompiler
from django_filters import CharFilter, Filter, FilterSet, IsoDateTimeFilter, TypedChoiceFilter
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema_field
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from spaces.api.problems import InvalidQuery

ModelT = TypeVar("ModelT", bound=Model)

LARGEST_KEY = 2**63 - 1
FILTERED = ("list", "export")  # actions that the filters of a view narrow


class Holds(Func):
    """Whether a JSON list holds a string."""

    template = "(%(expressions)s)"
    arg_joiner = " ? "
    output_field = BooleanField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        template = "EXISTS (SELECT 1 FROM json_each(%(expressions)s))"
        return self.as_sql(compiler, connection, template=template, arg_joiner=") WHERE value = (", **context)


def count_of(rows: QuerySet[Any], column: str) -> Coalesce:
    """Return how many of ``rows`` refer to the row at hand by this column: counted for a page, not for the table."""
    counted = rows.order_by().filter(**{column: OuterRef("pk")}).values(column).annotate(count=Count("pk"))
    return Coalesce(Subquery(counted.values("count")), 0)


class FlagFilter(TypedChoiceFilter):
    """``true`` or ``false``."""

    def __init__(self, **kwargs: Any) -> None:
        choices = [("true", "true"), ("false", "false")]
        super().__init__(choices=choices, coerce=lambda text: text == "true", empty_value=None, **kwargs)
        _describe(self, {"type": "string", "enum": ["true", "false"]})


class KeyFilter(Filter):
    """The integer key of a row."""

    field_class = forms.IntegerField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=LARGEST_KEY, **kwargs)
        _describe(self, {"type": "integer", "minimum": 1, "maximum": LARGEST_KEY})


def _describe(each: Filter, schema: dict[str, Any]) -> None:
    """Tell drf-spectacular the schema of a filter, which it would guess from the column."""
    decorate: Any = extend_schema_field({**schema, "description": str(each.label)})
    decorate(each)


class _TimeField(IsoDateTimeField):
    """A time that the database can compare."""

    def clean(self, value: Any) -> Any:
        time = super().clean(value)
        try:
            return time and time.astimezone(dt.UTC)
        except OverflowError:
            raise forms.ValidationError("This time is out of range.") from None


class TimeFilter(IsoDateTimeFilter):
    """A time in ISO 8601."""

    field_class = _TimeField


class NamedFilter(FilterSet):
    """What a list of things that people name can be narrowed to."""

    enabled = FlagFilter(label="Whether it is on.")
    search = CharFilter(method="matching", label="Part of the name or the ID.")

    def matching(self, rows: QuerySet[ModelT], name: str, value: str) -> QuerySet[ModelT]:
        return rows.filter(Q(name__icontains=value) | Q(public_id__icontains=value))


def check_parameters(request: Request, view: Any) -> None:
    """Raise InvalidQuery for a parameter that the address does not take, that is repeated, or that has no value."""
    if view.action is None:
        return  # OPTIONS, or a method that the address has not, which is what to tell
    known = set(view.parameters.get(view.action, ()))
    if view.action in FILTERED:
        filters = getattr(getattr(view, "filterset_class", None), "base_filters", {})
        known |= {*filters, *(("cursor", "page_size", "ordering") if view.paginator else ())}
    wrong = {}
    for name, values in request.query_params.lists():
        if name not in known:
            allowed = f"Known here: {', '.join(sorted(known))}." if known else "This address takes none."
            wrong[name] = f"There is no such parameter. {allowed}"
        elif len(values) > 1:
            wrong[name] = "Give this parameter once."
        elif not values[0]:
            wrong[name] = "Give a value, or leave the parameter out."
    if wrong:
        raise InvalidQuery(wrong)


def time_in(request: Request, name: str) -> dt.datetime | None:
    """Return the time that the parameter is, None where it is left out; raise InvalidQuery."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        found: dt.datetime = _TimeField().clean(text)
    except forms.ValidationError as invalid:
        raise InvalidQuery({name: " ".join(invalid.messages)}) from None
    return found


class QueryFilter(DjangoFilterBackend):
    """Applies a list view's filterset. A value of the wrong form is a 400."""

    def filter_queryset(self, request: Request, queryset: QuerySet[ModelT], view: APIView) -> QuerySet[ModelT]:
        filterset = None if getattr(view, "detail", False) else self.get_filterset(request, queryset, view)
        if filterset is None:
            return queryset
        if not filterset.is_valid():
            raise InvalidQuery({name: " ".join(details) for name, details in filterset.errors.items()})
        rows: QuerySet[ModelT] = filterset.qs
        return rows


class KeysetPagination(CursorPagination):
    """Pages by position: each row once, however many share a value or are inserted meanwhile. Nothing is counted.

    ``orderings`` maps the names that ``?ordering=`` takes to columns; the primary key breaks ties. The cursor is
    signed, so that a position always is one that this class wrote.
    """

    page_size = 50
    max_page_size = 200
    page_size_query_param = "page_size"
    orderings: ClassVar[dict[str, str]]
    ordering: str

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        self.request = request
        self.ordering = self._read_ordering(request)
        size = self._read_page_size(request)
        position = self._read_cursor(request)
        backwards, *after = position or (False,)
        queryset, column = self._comparable(queryset, self.orderings[self.ordering.lstrip("-")])
        descending = self.ordering.startswith("-") is not backwards
        sign, step = ("-", "lt") if descending else ("", "gt")
        if after:
            queryset = queryset.filter(_beyond(column, step, *after))
        rows = list(queryset.order_by(f"{sign}{column}", f"{sign}pk")[: size + 1])
        more = len(rows) > size
        page = rows[:size]
        if backwards:
            page.reverse()
        self._next = self._link(False, page[-1], column) if page and (more or backwards) else None
        self._previous = self._link(True, page[0], column) if page and (more if backwards else after) else None
        return page

    def _comparable(self, queryset: Any, column: str) -> tuple[Any, str]:
        """Return the rows and the column to order them by.

        SQLite keeps times as text, of the database's own with three digits of a second, of Python's with six: equal
        ones differ, so that there the text itself is what is ordered and compared.
        """
        is_time = isinstance(queryset.model._meta.get_field(column), DateTimeField)
        if not is_time or connection.vendor != "sqlite":
            return queryset, column
        return queryset.annotate(position=Cast(column, TextField())), "position"

    def get_next_link(self) -> str | None:
        return self._next

    def get_previous_link(self) -> str | None:
        return self._previous

    def _link(self, backwards: bool, row: Model, column: str) -> str:
        value = getattr(row, column)
        if isinstance(value, dt.datetime):
            value = value.isoformat()
        cursor = signing.dumps([self.ordering, backwards, value, row.pk], salt=__name__)
        return replace_query_param(self.request.build_absolute_uri(), "cursor", cursor)

    def _read_cursor(self, request: Request) -> tuple[bool, Any, int] | None:
        text = request.query_params.get("cursor")
        if text is None:
            return None
        try:
            ordering, backwards, value, key = signing.loads(text, salt=__name__)
        except signing.BadSignature:
            raise InvalidQuery({"cursor": "Take it from the next or previous link of a page."}) from None
        if ordering != self.ordering:
            raise InvalidQuery({"cursor": f"It belongs to ordering={ordering}."})
        return backwards, value, key

    def _read_ordering(self, request: Request) -> str:
        text = request.query_params.get("ordering", self.ordering)
        if text.removeprefix("-") not in self.orderings:
            names = ", ".join(self._ordering_names())
            raise InvalidQuery({"ordering": f"Use one of {names}."})
        return text

    def _read_page_size(self, request: Request) -> int:
        text = request.query_params.get("page_size", str(self.page_size))
        # A longer number is as good as the cap, and int() refuses the longest.
        if not (text.isascii() and text.isdigit() and text.strip("0")):
            raise InvalidQuery({"page_size": f"Use a whole number from 1 to {self.max_page_size}."})
        return min(int(text.lstrip("0")[:9]), self.max_page_size)

    def _ordering_names(self) -> list[str]:
        return [sign + name for name in self.orderings for sign in ("", "-")]

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return [
            _parameter("cursor", "Where the page begins: from a `next` or `previous` link.", {"type": "string"}),
            _parameter(
                "page_size",
                f"Rows of a page; more than {self.max_page_size} counts as that.",
                {"type": "integer", "minimum": 1, "default": self.page_size},
            ),
            _parameter(
                "ordering",
                "A minus sign puts the last first.",
                {"type": "string", "enum": self._ordering_names(), "default": self.ordering},
            ),
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }


class ByName(KeysetPagination):
    """Order of the things that people name."""

    orderings = {"name": "name", "id": "public_id", "created_at": "created_at", "updated_at": "updated_at"}
    ordering = "name"


class NewestFirst(KeysetPagination):
    """Order of what happened."""

    orderings = {"id": "id"}
    ordering = "-id"


def _beyond(column: str, step: str, value: Any, key: int) -> Q:
    """Return the condition for the rows after the one with this value and key; ``step`` is ``gt`` or ``lt``."""
    if column == "id":
        return Q(**{f"id__{step}": key})
    # The first term alone narrows an index: without it the database reads every row from the first page on.
    return Q(**{f"{column}__{step}e": value}) & (Q(**{f"{column}__{step}": value}) | Q(**{f"pk__{step}": key}))


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
