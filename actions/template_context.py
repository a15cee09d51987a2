"""What templates are rendered over: the one place where their variables are put together."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings

from connectors.models import Connector
from spaces.models import Space

# What takes time to make, and few templates name.
COSTLY: Final = frozenset({"date", "console"})

Fixed = Mapping[str, Any]


def fixed_context(action: Mapping[str, str], connector: Connector, space: Mapping[str, str]) -> Fixed:
    """Return the variables that are the same in every message of an action."""
    return {
        "action": action,
        "connector": {"id": connector.public_id, "name": connector.name, "type": connector.type},
        "space": space,
    }


def about_space(space: Space) -> dict[str, str]:
    """Return ``space`` as templates see it."""
    return {"id": space.slug, "name": space.name}


def context_of(
    fixed: Fixed,
    event: Mapping[str, Any],
    rule: Mapping[str, Any],
    alert: Mapping[str, Any] | None,
    alerts: Mapping[str, Any] | None = None,
    failure: Mapping[str, Any] | None = None,
    costly: Collection[str] = (),
    event_url: str = "",
) -> dict[str, Any]:
    """Return what templates see; ``costly`` are those variables of COSTLY that stand in the templates."""
    context = {**fixed, "event": event, "rule": rule, "alert": alert, "alerts": alerts, "failure": failure}
    if "date" in costly:
        context["date"] = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if "console" in costly:
        context["console"] = {"url": settings.PUBLIC_URL, "event_url": event_url}
    return context
