"""What frames every page of the console: the sidebar and the stylesheet."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

# Group: (title, model as "app.name", icon in Material Symbols).
_PAGES = {
    "Connect": [
        ("Connectors", "connectors.connector", "hub"),
        ("Sources", "rules.source", "input"),
        ("Actions", "actions.action", "send"),
        ("Rules", "rules.rule", "rule"),
        ("Maintenance windows", "rules.maintenancewindow", "engineering"),
    ],
    "Observe": [
        ("Alerts", "rules.alert", "notifications_active"),
        ("Events", "rules.event", "bolt"),
        ("Deliveries", "actions.delivery", "local_shipping"),
        ("Bulk jobs", "actions.deliveryjob", "playlist_play"),
        ("Event log", "actions.eventlogentry", "receipt_long"),
        ("Audit log", "spaces.auditentry", "history"),
    ],
    "Administer": [
        ("Spaces", "spaces.space", "workspaces"),
        ("Members", "spaces.membership", "badge"),
        ("API keys", "spaces.apikey", "key"),
        ("Users", "auth.user", "person"),
        ("Groups", "auth.group", "group"),
        ("Schedules", "django_celery_beat.periodictask", "schedule"),
    ],
}


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups of pages that this user may open."""
    overview = {"title": "Overview", "icon": "dashboard", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"items": [overview]}]
    for title, pages in _PAGES.items():
        items = [_item(*page) for page in pages if _may_open(request, page[1])]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def stylesheet(request: HttpRequest) -> str:
    """Return the URL of the console's own stylesheet."""
    return static("switchyard/console.css")


def icon(request: HttpRequest) -> str:
    """Return the URL of the icon that a browser shows on its tab."""
    return static("switchyard/icon.svg")


def _item(title: str, model: str, icon: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse(f"admin:{model.replace('.', '_')}_changelist")}


def _may_open(request: HttpRequest, model: str) -> bool:
    return admin.site.get_model_admin(apps.get_model(model)).has_view_permission(request)
