"""How the console shows what a rule makes of an event."""

from typing import Any, Final

from django.utils.safestring import SafeString

from rules.tracing.explain import Part, Verdict
from spaces.admin.markup import label, page_link

_KINDS: Final = {"true": "success", "false": "default", "error": "warning", "not_evaluated": "info"}


def shown_verdict(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as the template admin/rules/verdict.html takes it."""
    return {
        "label": label("matched", "success") if verdict.matched else label("no match", "default"),
        "reason": f"{verdict.failed_at.capitalize()}: {verdict.reason}" if verdict.failed_at else verdict.reason,
        "parts": [_shown(part) for part in verdict.parts],
        "left_out": verdict.parts_left_out,
    }


def event_line(envelope: dict[str, Any], key: int | None) -> SafeString | str:
    """Return what names an event; a link where it is stored."""
    text = f"{envelope['type']} {envelope['id']}"
    return text if key is None else page_link("rules.event", key, text)


def _shown(part: Part) -> dict[str, Any]:
    return {
        "operator": part.operator,
        "text": part.text,
        "label": label(part.result.replace("_", " "), _KINDS[part.result]),
        "reason": part.reason,
        "values": [
            f"{each.path} = {each.value}" if each.found else f"{each.path}: no such field" for each in part.values
        ],
    }
