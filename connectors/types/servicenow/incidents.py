"""What goes into an incident, and how it is found again.

Sources: ServiceNow, "Table API" (records, ``sysparm_query``, ``sysparm_fields``, ``sysparm_limit``) and "Encoded query
strings"; the lengths are those of the columns of ``task`` and ``incident``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from connectors.net.exchange import Request
from connectors.types.base import Message
from connectors.types.conversations import BadMessage
from connectors.types.rendered import cut
from connectors.types.servicenow.schemas import ServiceNowConfig, ServiceNowParams, ServiceNowSecrets
from connectors.types.sites import Site
from connectors.types.tickets import MAX_LIST, Asking, ask_for

TABLE: Final = "api/now/table/incident"
_SHOWN: Final = "sys_id,number,correlation_id,correlation_display,active"
_NEWEST: Final = 20
_LIMITS: Final[Mapping[str, int]] = {
    "short_description": 160,
    "description": 4000,
    "correlation_display": 100,
    "close_notes": 4000,
}
_CHOICES: Final = ("urgency", "impact", "severity", "priority", "category", "subcategory")
_JOURNALS: Final = ("work_notes", "comments")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SYS_ID: Final = re.compile(r"[0-9a-f]{32}")
# What an encoded query takes for itself: ^ between its terms, spaces around, "javascript:" and NULL.
_FITS_A_QUERY: Final = re.compile(r"(?!javascript:|null\Z)[!-\]_-~](?:[ -\]_-~]{0,98}[!-\]_-~])?", re.IGNORECASE)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")

ServiceNowSite = Site[ServiceNowConfig, ServiceNowSecrets]


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident that is there."""

    sys_id: str
    number: str
    display: str
    is_active: bool


def correlation_of(text: str) -> str:
    """Return a correlation id that fits the column and a query, which is a hash where the text does not."""
    return text if _FITS_A_QUERY.fullmatch(text) else f"sha256-{sha256(text.encode('utf-8', 'replace')).hexdigest()}"


def display_of(message: Message[ServiceNowParams]) -> str:
    """Return who correlates."""
    return cut(message.params.correlation_display or _own_display(message), _LIMITS["correlation_display"])


def check_sys_id(text: str) -> None:
    """Raise BadMessage for what is no sys_id."""
    if not _SYS_ID.fullmatch(text):
        raise BadMessage("external_id is not a sys_id, which has 32 hexadecimal digits.")


def changed_fields(params: ServiceNowParams) -> dict[str, Any]:
    """Return the columns that params have something for, but for those of the correlation."""
    short = " ".join(_UNPRINTABLE.sub("", params.short_description).split())
    fields = {
        "short_description": cut(short, _LIMITS["short_description"]),
        "description": cut(_UNPRINTABLE.sub("", params.description), _LIMITS["description"]),
        **{name: getattr(params, name) for name in _CHOICES},
        **_journals(params),
    }
    return {name: value for name, value in fields.items() if value} | _additional(params)


def new_fields(message: Message[ServiceNowParams], correlation_id: str) -> dict[str, Any]:
    """Return the columns of a new incident; raise BadMessage for what it cannot do without."""
    if not message.params.short_description.strip():
        raise BadMessage("short_description is empty: an incident needs one.")
    correlation = {"correlation_id": correlation_id, "correlation_display": display_of(message)}
    return changed_fields(message.params) | correlation


def closing_fields(params: ServiceNowParams) -> dict[str, Any]:
    """Return the columns that close an incident."""
    fields = {
        "state": params.close_state,
        "close_code": params.close_code,
        "close_notes": cut(params.close_notes, _LIMITS["close_notes"]),
    }
    return {**fields, **{name: value for name, value in _journals(params).items() if value}, **_additional(params)}


def find_incident(
    site: ServiceNowSite, message: Message[ServiceNowParams], correlation_id: str, *, creates: bool
) -> Asking:
    """Return the active incident with this correlation id, or one that this delivery made; None when there is none.

    Raises Unanswered.
    """
    query: dict[str, str | int] = {
        "sysparm_query": f"correlation_id={correlation_id}^ORDERBYDESCsys_created_on",
        "sysparm_fields": _SHOWN,
        "sysparm_limit": _NEWEST,
    }
    request = site.request("GET", TABLE, query=query, message=message, max_body=MAX_LIST)
    # A query takes upper and lower case for the same.
    found = [each for each in (yield from ask_for(request, "result")) if each.get("correlation_id") == correlation_id]
    for incident in map(read_incident, found):
        is_own = not message.params.correlation_id or incident.display == _own_display(message)
        if incident.is_active or (creates and is_own):
            return incident
    return None


def write_incident(
    site: ServiceNowSite, message: Message[ServiceNowParams], method: str, fields: dict[str, Any], sys_id: str = ""
) -> Request:
    """Return the request that makes an incident (POST) or changes one (PATCH)."""
    path = f"{TABLE}/{sys_id}" if sys_id else TABLE
    return site.request(method, path, query={"sysparm_fields": _SHOWN}, json=fields, message=message)


def read_incident(record: Mapping[str, Any]) -> Incident:
    """Return what a record says."""
    return Incident(
        str(record.get("sys_id", "")),
        str(record.get("number", "")),
        str(record.get("correlation_display", "")),
        str(record.get("active", "")).lower() == "true",
    )


def _own_display(message: Message[ServiceNowParams]) -> str:
    return f"Switchyard {message.webhook_id}"


def _journals(params: ServiceNowParams) -> dict[str, str]:
    return {name: _UNPRINTABLE.sub("", getattr(params, name)) for name in _JOURNALS}


def _additional(params: ServiceNowParams) -> dict[str, Any]:
    return {name: _as_servicenow_has_it(value) for name, value in params.additional_fields.items()}


def _as_servicenow_has_it(value: Any) -> Any:
    """Return a time in ISO 8601 as ServiceNow's "yyyy-MM-dd HH:mm:ss" in UTC; all else as it is."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return value
    try:
        return f"{datetime.fromisoformat(value).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError):
        return value
