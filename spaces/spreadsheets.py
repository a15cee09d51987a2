"""Rows as CSV (RFC 4180) that a spreadsheet shows and never runs."""

import csv
from collections.abc import Iterable, Iterator
from typing import Any, Final

# What Excel, LibreOffice and Google Sheets take for the beginning of a formula (OWASP, "CSV Injection").
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
BYTE_ORDER_MARK: Final = "\ufeff"  # tells Excel that it is UTF-8


class _Echo:
    def write(self, text: str) -> str:
        return text


def write_csv(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield the table line by line, the names of its columns first.

    A text that a spreadsheet would take for a formula gets an apostrophe before it, which says that it is text.
    """
    writer: Any = csv.writer(_Echo())
    yield BYTE_ORDER_MARK + writer.writerow(columns)
    for row in rows:
        yield writer.writerow([_harmless(value) for value in row])


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.replace("\0", "\ufffd")
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
