"""The console's site."""

from typing import Any, SupportsIndex

from unfold.dataclasses import SearchResult
from unfold.sites import UnfoldAdminSite


class Uncached(list[Any]):
    """A list that a cache keeps as an empty one."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type[list[Any]], tuple[()]]:
        return list, ()


class ConsoleSite(UnfoldAdminSite):
    """Unfold's site, whose search finds what one may see now.

    Unfold keeps results for five minutes, but takes none that are empty from its cache.
    """

    def _search_apps(self, app_list: list[dict[str, Any]], search_term: str) -> list[SearchResult]:
        return Uncached(super()._search_apps(app_list, search_term))
