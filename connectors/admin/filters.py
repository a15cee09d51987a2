"""What the console's list of connectors can be narrowed to."""

from itertools import chain
from typing import Any, Final

from django.db.models import Count, Q, QuerySet, Value
from django.http import HttpRequest

from connectors.models import Connector
from connectors.types.registry import all_types
from spaces.admin.base import BooleanRadioFilter, DropdownFilter
from spaces.admin.choosing import SPACE_PARAMETER
from spaces.admin.scoping import scoped
from spaces.api.queries import Holds
from spaces.models import Space

PRECONFIGURED: Final = "preconfigured"


class ChoiceFilter(DropdownFilter):
    """A filter by one of its choices; anything else finds nothing."""

    def narrow(self, rows: QuerySet[Connector], chosen: str) -> QuerySet[Connector]:
        """Return the rows for this choice."""
        raise NotImplementedError

    def has_output(self) -> bool:
        """Whether it counts: not where there is nothing to choose, and nothing was."""
        return super().has_output() or bool(self.value())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Connector]) -> QuerySet[Connector]:
        """Return the rows for what is chosen, all of them where nothing is."""
        chosen = self.value()
        if not chosen:
            return queryset
        known = chosen in (str(value) for value, _ in self.lookup_choices)
        return self.narrow(queryset, chosen) if known else queryset.none()


class SpaceFilter(ChoiceFilter):
    """Where connectors may be used: a space has its own, and the preconfigured ones that it does not shadow."""

    title = "space"
    parameter_name = SPACE_PARAMETER

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the spaces that may be seen, and what stands in all of them."""
        spaces = scoped(Space).get_queryset(request)
        return [(PRECONFIGURED, "Preconfigured"), *((str(space.pk), space.name) for space in spaces)]

    def narrow(self, rows: QuerySet[Connector], chosen: str) -> QuerySet[Connector]:
        """Return the connectors that the space may use."""
        if chosen == PRECONFIGURED:
            return rows.filter(space=None)
        return rows.filter(pk__in=Connector.objects.usable_in(int(chosen)).order_by().values("pk"))


class TypeFilter(ChoiceFilter):
    """By connector type, with the number of connectors of each."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the installed types, and those that only rows still have."""
        seen = scoped(Connector).plain(request).order_by()
        counts = dict(seen.values_list("type").annotate(count=Count("pk")))
        names = {each.id: each.name for each in all_types().values()}
        ids = [*names, *sorted(counts.keys() - names.keys())]
        return [(each, f"{names.get(each, each)} ({counts.get(each, 0)})") for each in ids]

    def narrow(self, rows: QuerySet[Connector], chosen: str) -> QuerySet[Connector]:
        """Return the connectors of the type."""
        return rows.filter(type=chosen)


class MissingSecretsFilter(BooleanRadioFilter):
    """Whether secrets are to be entered first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "missing secrets"


class TagFilter(ChoiceFilter):
    """By one tag."""

    title = "tag"
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return every tag that is in use."""
        tagged = scoped(Connector).plain(request).order_by().filter(~Q(tags=[])).values_list("tags", flat=True)
        return [(tag, tag) for tag in sorted(set(chain.from_iterable(tagged)))]

    def narrow(self, rows: QuerySet[Connector], chosen: str) -> QuerySet[Connector]:
        """Return the connectors that have the tag."""
        return rows.filter(Holds("tags", Value(chosen)))
