"""What templates see of rules, and the addresses of the console's pages. They are "" where PUBLIC_URL is not set."""

from functools import cache
from typing import Any

from django.conf import settings
from django.urls import reverse

from rules.models import Rule


def about_rule(rule: Rule) -> dict[str, Any]:
    """Return ``rule`` as templates see it."""
    url = _page("rules_rule_change", rule.pk)
    return {"id": rule.public_id, "name": rule.name, "type": rule.type, "tags": rule.tags, "url": url}


def about_lost_rule(public_id: str) -> dict[str, Any]:
    """Return ``rule`` of one that was deleted."""
    return {"id": public_id, "name": public_id, "type": "", "tags": [], "url": ""}


def event_url(key: int) -> str:
    """Return the address of an event."""
    return _page("rules_event_change", key)


def alert_url(uuid: str) -> str:
    """Return the address of an alert: of the list that has it alone, for one just found has no key yet."""
    return f"{settings.PUBLIC_URL}{reverse('admin:rules_alert_changelist')}?uuid={uuid}" if settings.PUBLIC_URL else ""


def _page(name: str, key: int) -> str:
    if not settings.PUBLIC_URL:
        return ""
    before, after = _around_key(name)
    return f"{settings.PUBLIC_URL}{before}{key}{after}"


@cache
def _around_key(name: str) -> tuple[str, str]:
    """Return a page's path before and after the key: to reverse each would take longer than to render a message."""
    before, _, after = reverse(f"admin:{name}", args=["KEY"]).partition("KEY")
    return before, after
