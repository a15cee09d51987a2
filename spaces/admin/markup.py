"""Pieces of markup for values of any origin: every one escapes what it shows."""

import json
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import Truncator

EMPTY = "–"


def object_link(target: Model, text: str) -> SafeString:
    """Return a link to the page of this object."""
    return page_link(target._meta.label_lower, target.pk, text)


def page_link(model: str, key: object, text: str) -> SafeString:
    """Return a link to the page of the object of ``model`` ("app.name") with this primary key."""
    url = reverse(f"admin:{model.replace('.', '_')}_change", args=[key])
    return format_html('<a href="{}" class="text-link">{}</a>', url, text)


def list_link(model: str, text: str, **lookups: str | int) -> SafeString:
    """Return a link to the list of ``model`` ("app.name"), narrowed by these lookups."""
    url = reverse(f"admin:{model.replace('.', '_')}_changelist")
    return format_html('<a href="{}?{}" class="text-link">{}</a>', url, urlencode(lookups), text)


def named_link(owner: Model, relation: str) -> SafeString:
    """Return a link to what ``owner`` refers to by this foreign key, or its key where it was deleted since."""
    try:
        target: Model | None = getattr(owner, relation)
    except ObjectDoesNotExist:
        target = None
    if target is None:
        return format_html("{} (deleted)", getattr(owner, f"{relation}_id") or "")
    return object_link(target, str(target))


def seconds(nanoseconds: int) -> str:
    """Return a duration for a person: ``12 ms``, ``1.25 s``."""
    return f"{nanoseconds / 1e9:.2f} s" if nanoseconds >= 1e9 else f"{nanoseconds / 1e6:.0f} ms"


def label(text: str, kind: str) -> SafeString:
    """Return a coloured label; ``kind`` is success, info, warning, danger or default."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": kind}) if text else SafeString(EMPTY)


def json_block(value: Any) -> SafeString:
    """Return a JSON value, indented, as a block of code."""
    return code_block(json_text(value))


def json_text(value: Any) -> str:
    """Return a JSON value, indented."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def code_block(text: str) -> SafeString:
    """Return text that keeps its spaces and line ends."""
    return format_html('<pre class="sy-block">{}</pre>', text)


def code(text: str, longest: int = 60) -> SafeString:
    """Return a short piece of code; what is cut stands in its title."""
    return format_html('<code class="sy-inline" title="{}">{}</code>', text, Truncator(text).chars(longest))
