"""How a connector is, as the console shows it."""

from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString

from connectors.models import Connector, Status
from spaces.admin.markup import label

_LABELS: Final = {
    Status.UNKNOWN: "default",
    Status.CONNECTED: "success",
    Status.DEGRADED: "warning",
    Status.DISCONNECTED: "danger",
    Status.DISABLED: "default",
    Status.MISSING_SECRETS: "danger",
}


def status_label(status: str) -> SafeString:
    """Return the status as a coloured label."""
    known = Status(status)
    return label(str(known.label), _LABELS[known])


def status_with_reason(connector: Connector) -> SafeString:
    """Return the label and, where something failed, why; the whole detail stands in the title."""
    shown = status_label(connector.status)
    if not connector.status_reason:
        return shown
    return format_html(
        '{} <span class="sy-inline" title="{}">{}</span>', shown, connector.status_detail, connector.status_reason
    )
