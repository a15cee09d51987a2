"""Form fields that hold a JSON value as text that a person can write.

Each cleans text to a JSON value, and ``to_text`` turns a JSON value back into the text that cleans to it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from django import forms

from spaces.admin.base import Textarea

_MOST_DIGITS: Final = 4300  # beyond, Python itself converts none


class CodeArea(Textarea):
    """A text area for what a machine reads."""

    # Django's own template: it opens with a line end, so that one at the start of the text is kept.
    template_name = "django/forms/widgets/textarea.html"

    def __init__(self, rows: int = 6) -> None:
        super().__init__({"class": "sy-code", "rows": rows, "spellcheck": "false", "autocapitalize": "off"})


class TextField(forms.CharField):
    """A JSON string, kept as written: spaces and line ends at its ends may matter in a template."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=False, **kwargs)

    def to_text(self, value: object) -> str:
        """Return the string itself."""
        return "" if value is None else str(value)

    def clean(self, value: Any) -> Any:
        """Return the text with the line ends that browsers send (CR LF) turned into LF."""
        text = super().clean(value)
        return text.replace("\r\n", "\n") if isinstance(text, str) else text


class LinesField(TextField):
    """An array of strings, one on each line; empty lines are left out."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", CodeArea(rows=3))
        super().__init__(**kwargs)

    def to_text(self, value: object) -> str:
        """Return the strings on a line each."""
        return "\n".join(str(item) for item in value) if isinstance(value, Sequence) else ""

    def clean(self, value: Any) -> Any:
        """Return the list of lines."""
        return [line.strip() for line in super().clean(value).splitlines() if line.strip()]


class PairsField(TextField):
    """An object of strings: ``name: value`` on each line, or the object itself as JSON."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", CodeArea(rows=3))
        super().__init__(**kwargs)

    def to_text(self, value: object) -> str:
        """Return one line for each pair; JSON where lines cannot carry them."""
        if not isinstance(value, Mapping):
            return ""
        lines = [f"{name}: {text}" for name, text in value.items()]
        try:
            faithful = not lines or not lines[0].startswith("{")
            faithful = faithful and _parse_pairs("\n".join(lines)) == dict(value)
        except forms.ValidationError:
            faithful = False
        return "\n".join(lines) if faithful else _dump(value)

    def clean(self, value: Any) -> Any:
        """Return the dict; raise ValidationError that names the line."""
        text = super().clean(value)
        return _parse_json(text) if text.lstrip().startswith("{") else _parse_pairs(text)


class JsonField(TextField):
    """Any JSON value, as JSON text."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", CodeArea(rows=8))
        super().__init__(**kwargs)

    def to_text(self, value: object) -> str:
        """Return the value as indented JSON."""
        return "" if value is None else _dump(value)

    def clean(self, value: Any) -> Any:
        """Return the value, None where nothing is written; raise ValidationError with the line and column."""
        text = super().clean(value)
        return _parse_json(text) if text.strip() else None


class TextOrJsonField(JsonField):
    """A string as it is written, or any other JSON value as JSON text; a string that reads as JSON, in its quotes."""

    def to_text(self, value: object) -> str:
        """Return a string as it is where that cannot be mistaken for JSON, anything else as JSON."""
        if isinstance(value, str) and _or_text(value) == value:
            return value
        return super().to_text(value)

    def clean(self, value: Any) -> Any:
        """Return the value that the text spells, else the text; None where nothing is written."""
        text = TextField.clean(self, value)
        return _or_text(text) if text.strip() else None


def _or_text(text: str) -> Any:
    try:
        return _parse_json(text)
    except forms.ValidationError:
        return text


def _dump(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _parse_pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise forms.ValidationError(f"Line {number}: write “name: value”.")
        if name.strip() in pairs:
            raise forms.ValidationError(f"Line {number}: “{name.strip()}” is there already.")
        pairs[name.strip()] = value.strip()
    return pairs


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_whole, parse_constant=_refuse_constant, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        raise forms.ValidationError(
            f"This is not JSON: {error.msg}, line {error.lineno}, column {error.colno}."
        ) from None
    except (ValueError, RecursionError) as error:
        raise forms.ValidationError(f"This is not JSON: {error}.") from None


def _whole(digits: str) -> int:
    if (length := len(digits.lstrip("-"))) > _MOST_DIGITS:
        raise ValueError(f"a number has {length:,} digits, and {_MOST_DIGITS:,} are the most")
    return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name “{name}” stands twice in one object")
        found[name] = value
    return found
