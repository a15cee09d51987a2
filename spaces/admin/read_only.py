"""Admin of tables that only the pipeline writes and that may hold many millions of rows."""

from typing import Any

from django.contrib import admin
from django.db.models import Max, QuerySet
from django.http import HttpRequest

from spaces.admin.base import BaseInfinitePaginator, ChangeList
from spaces.admin.refusals import is_superuser
from spaces.admin.scoping import SpaceScopedAdmin

# A search or filter without an index looks through this many of the newest rows, and no more.
SEARCHED_ROWS = 200_000


class ReadOnlyAdmin(SpaceScopedAdmin):
    """Shows, and lets nobody add, change or delete."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody may."""
        return False


class InfinitePaginator(BaseInfinitePaginator):
    """Knows no number of rows, and pages no deeper than a search looks. Unfold's templates ask for it by this name."""

    count = SEARCHED_ROWS


class NewestFirst(ChangeList):
    """A list in the order of the primary key that never reads a whole table."""

    model_admin: "HotTableAdmin"

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Return the rows; searched or filtered without an index, by space too, they are taken from the newest."""
        queryset: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        filters = self.get_filters_params().keys()
        is_whole = not filters and is_superuser(request)
        if self.query or not (is_whole or (filters and filters <= set(self.model_admin.indexed_filters))):
            newest = self.model._default_manager.aggregate(newest=Max("pk"))["newest"] or 0
            queryset = queryset.filter(pk__gt=newest - SEARCHED_ROWS)
        return queryset


class HotTableAdmin(ReadOnlyAdmin):
    """Lists a hot table without counting it."""

    actions = None
    list_per_page = 50
    paginator = InfinitePaginator
    # No joins: a row outlives what it names, and an inner join would hide it.
    list_select_related = ()
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    ordering = ("-pk",)
    list_filter_submit = True
    # Query parameters that an index answers, whatever the size of the table.
    indexed_filters: tuple[str, ...] = ()
    search_help_text = f"Searches the newest {SEARCHED_ROWS:,} rows."

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the list that never reads the whole table."""
        return NewestFirst
