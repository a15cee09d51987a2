"""JSON data for templates, without what Python adds to it.

Where a field is missing the engine gives the Python object's attribute, so a template would find methods of dict and
list; and it walks an object without charging fuel. Data that is guarded has neither fault.
"""

from collections.abc import Iterator
from typing import Any, Final

# Some 0.1 s.
MAX_WALKED: Final = 1_000_000


class Meter:
    """Counts the fields of objects that one rendering walks."""

    def __init__(self) -> None:
        self._left = MAX_WALKED

    @property
    def is_spent(self) -> bool:
        """Whether more than MAX_WALKED were walked: the rendering is not complete."""
        return self._left < 0

    def charge(self, fields: int) -> None:
        """Count fields about to be walked."""
        self._left -= fields


class _Absent:
    """In place of a method: an instance has no such attribute."""

    def __get__(self, instance: object, owner: type) -> Any:
        raise AttributeError("There are no methods here.")


class _Object(dict[str, Any]):
    """A JSON object without dict's methods, which the engine would give where a field is missing."""

    _items_missed = False

    def __init__(self, fields: dict[str, Any], meter: Meter) -> None:
        super().__init__(fields)
        self._meter = meter

    def __iter__(self) -> Iterator[str]:
        # The engine takes no error here, so what goes too far finds objects empty, and the rendering is refused after.
        self._meter.charge(len(self))
        return iter(()) if self._meter.is_spent else super().__iter__()

    def __missing__(self, key: str) -> Any:
        self._items_missed = key == "items"
        raise KeyError(key)

    @property
    def items(self) -> Any:
        """What has this attribute is an object to the engine, which also asks for it right after a missed field."""
        if self._items_missed:
            self._items_missed = False
            raise AttributeError("items")
        return None


class _List(list[Any]):
    """A JSON list without list's methods."""


for _guard_type, _base in ((_Object, dict), (_List, list)):
    for _name in dir(_base):
        if not _name.startswith("_") and _name != "items":
            setattr(_guard_type, _name, _Absent())


def guarded(value: Any, meter: Meter) -> Any:
    """Return a copy of JSON data that gives its fields and nothing else, and tells the meter when it is walked."""
    if isinstance(value, dict):
        return _Object({key: guarded(item, meter) for key, item in value.items()}, meter)
    return _List(guarded(item, meter) for item in value) if isinstance(value, list) else value
