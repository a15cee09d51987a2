"""How a connector is and what uses it, as the console shows it."""

from typing import Any, Final

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from connectors.admin.secrets import anchor, title
from connectors.circuit import CircuitState
from connectors.models import Connector, Status
from connectors.outcomes import Reason
from connectors.services.settings import awaited_secrets
from spaces.admin.markup import label, list_link, object_link
from spaces.admin.scoping import scoped
from spaces.models import AuditEntry

SHOWN_CHANGES: Final = 50
SHOWN_USERS: Final = 50

_LABELS: Final = {
    Status.UNKNOWN: "default",
    Status.CONNECTED: "success",
    Status.DEGRADED: "warning",
    Status.DISCONNECTED: "danger",
    Status.DISABLED: "default",
    Status.MISSING_SECRETS: "danger",
}


_EFFECTS: Final = {
    CircuitState.CLOSED: "go out",
    CircuitState.DEGRADED: "go out more slowly, because some fail",
    CircuitState.OPEN: "are held, until a trial succeeds",
    CircuitState.HALF_OPEN: "are held, but for a few on trial",
    CircuitState.DISABLED: "are held, until somebody enables the connector",
}


def status_label(status: str) -> SafeString:
    """Return the status as a coloured label."""
    known = Status(status)
    return label(str(known.label), _LABELS[known])


def status_with_reason(connector: Connector) -> SafeString:
    """Return the label and, where something failed, why; the whole detail stands in the title."""
    shown = status_label(connector.status)
    if connector.status_reason in ("", Reason.OK):
        return shown
    return format_html(
        '{} <span class="sy-inline" title="{}">{}</span>', shown, connector.status_detail, connector.status_reason
    )


def status_context(request: HttpRequest, connector: Connector) -> dict[str, Any]:
    """Return what the page's panel of the status shows."""
    facts: list[tuple[str, Any]] = [("Status", status_label(connector.status))]
    if connector.status_reason not in ("", Reason.OK):
        facts.append(("Reason", format_html('<span class="sy-inline">{}</span>', connector.status_reason)))
    if connector.status_detail:
        facts.append(("Detail", connector.status_detail))
    facts += [
        ("Since", connector.status_since),
        ("Deliveries", _EFFECTS[connector.circuit.state]),
    ]
    if connector.circuit.state is CircuitState.OPEN:
        facts.append(("Next trial", connector.next_trial_at or "now"))
    if connector.failing_since is not None:
        facts.append(("Failing since", connector.failing_since))
    facts += [
        ("Last check", connector.health_checked_at or "never"),
        ("Next check", connector.health_due_at or "none"),
    ]
    if scoped(AuditEntry).may_in(request, "view", connector.space_id):
        facts.append(("Who changed it", list_link("spaces.auditentry", "Audit log", **_audited(connector))))
    changes = connector.status_changes.order_by("-id")[:SHOWN_CHANGES]
    return {
        "status": facts,
        "changes": [
            {
                "time": change.time,
                "label": status_label(change.status),
                "reason": "" if change.reason == Reason.OK else change.reason,
                "detail": change.detail,
            }
            for change in changes
        ],
    }


def _audited(connector: Connector) -> dict[str, str | int]:
    found: dict[str, str | int] = {"object_id": connector.public_id, "action__startswith": "connector."}
    return found if connector.space_id is None else {**found, "space__id__exact": connector.space_id}


def missing_context(connector: Connector) -> dict[str, Any]:
    """Return what the page says of the secrets that are missing."""
    optional = set(awaited_secrets(connector))
    return {
        "any_optional": bool(optional),
        "missing": [
            {"title": title(connector, name), "anchor": anchor(connector, name), "is_optional": name in optional}
            for name in connector.missing_secrets
        ],
    }


def users_context(request: HttpRequest, connector: Connector) -> dict[str, Any]:
    """Return links to what uses the connector and may be seen, and to the rules that trigger the actions among it."""
    actions = scoped(connector.actions.model).plain(request).filter(connector=connector)
    ordered = actions.select_related("space").prefetch_related("rules").order_by("name", "pk")
    found = list(ordered[: SHOWN_USERS + 1])
    more = len(found) > SHOWN_USERS
    sources = scoped(connector.sources.model).plain(request).filter(connector=connector).select_related("space")
    return {
        "sources": [
            {
                "source": object_link(source, source.name),
                "space": source.space.name if connector.is_preconfigured else "",
            }
            for source in sources.order_by("name", "pk")[:SHOWN_USERS]
        ],
        "users": [
            {
                "action": object_link(action, action.name),
                "space": action.space.name if connector.is_preconfigured else "",
                "rules": [object_link(rule, rule.name) for rule in action.rules.all()],
            }
            for action in found[:SHOWN_USERS]
        ],
        "more_users": list_link("actions.action", "All of them", connector__id__exact=connector.pk) if more else "",
    }


def page_context(request: HttpRequest, connector: Connector) -> dict[str, Any]:
    """Return what a connector's page shows above its form."""
    return {**status_context(request, connector), **missing_context(connector), **users_context(request, connector)}
