"""The PagerDuty connector type: one event a message, as the Events API v2 takes it.

Source: PagerDuty, Events API v2, "Send an Alert Event", and "Events API v2 Overview" for limits and answers: 202 when
an event was taken, 400 for a bad one, 429 past the rate limit; an event has at most 512 KB.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from connectors.net.exchange import Request, Response
from connectors.outcomes import Reason
from connectors.steps import Step
from connectors.types.answers import RESULTS, reason_for
from connectors.types.base import Adopted, Message
from connectors.types.conversations import BadMessage
from connectors.types.http_api import Exchange, HttpApiType
from connectors.types.http_probe import CHECKS
from connectors.types.pagerduty.schemas import (
    DEFAULT_URL,
    EVENT_ACTIONS,
    SEVERITIES,
    PagerDutyConfig,
    PagerDutyParams,
    PagerDutySecrets,
)
from connectors.types.rendered import check_choice, check_length, check_time
from connectors.types.sites import Site, read_object

_NOT_TAKEN: Final = "This is no answer of PagerDuty that takes an event. Check the address, and what stands between."
MAX_EVENT: Final = 512 * 1024  # bytes
_MAX_SUMMARY: Final = 1024
_MAX_DEDUP_KEY: Final = 255

PagerDutySite = Site[PagerDutyConfig, PagerDutySecrets]


class PagerDutyConnectorType(HttpApiType[PagerDutyConfig, PagerDutySecrets, PagerDutyParams]):
    """Triggers, acknowledges and resolves incidents."""

    id = "pagerduty"
    name = "PagerDuty"
    description = "Triggers, acknowledges and resolves incidents in PagerDuty."
    categories = ("incidents",)
    icon = "notifications_active"
    kibana_id = ".pagerduty"
    checks = {**CHECKS, "status": "PagerDuty answers. Its key is checked with the first event."}
    results = {
        **RESULTS,
        "an answer 2xx that is not the one with which PagerDuty takes an event": Reason.RETRY_HTTP_5XX,
    }
    config_model = PagerDutyConfig
    secrets_model = PagerDutySecrets
    params_model = PagerDutyParams

    def base_url(self, config: PagerDutyConfig, secrets: PagerDutySecrets) -> str:
        return config.api_url

    def missing_secrets(self, config: PagerDutyConfig, secrets: PagerDutySecrets) -> list[str]:
        return [] if secrets.routing_key else ["routing_key"]

    def adopt(self, config: Mapping[str, Any]) -> Adopted:
        return Adopted({"api_url": config.get("apiUrl") or DEFAULT_URL}, ("routing_key",))

    def converse(self, site: PagerDutySite, message: Message[PagerDutyParams]) -> Exchange:
        request = site.request("POST", json=_event(site, message), message=message)
        if (size := len(request.body or b"")) > MAX_EVENT:
            raise BadMessage(f"The event has {size} bytes; PagerDuty takes {MAX_EVENT}.")
        result = yield request
        if not isinstance(result, Response):
            return site.outcome(message, request, result)
        reason, detail = _judge_answer(result)
        return site.outcome(message, request, result, reason, detail)

    def judge(self, site: PagerDutySite, request: Request, response: Response) -> Iterator[Step]:
        # The endpoint takes events only, and each of them counts: a key shows to be right with the first one.
        if response.status >= 500:
            yield from super().judge(site, request, response)
        else:
            yield Step("status", f"HTTP {response.status}: PagerDuty answers. Its key is checked with the first event.")


def _event(site: PagerDutySite, message: Message[PagerDutyParams]) -> dict[str, Any]:
    params, key = message.params, site.secrets.routing_key
    check_choice("event_action", params.event_action, EVENT_ACTIONS)
    check_length("dedup_key", params.dedup_key, _MAX_DEDUP_KEY)
    event: dict[str, Any] = {
        "routing_key": key.get_secret_value() if key else "",
        "event_action": params.event_action,
        "dedup_key": params.dedup_key or message.webhook_id,
    }
    if params.event_action != "trigger":
        if not params.dedup_key:
            raise BadMessage(f"dedup_key is empty: PagerDuty needs it to {params.event_action}.")
        return event
    check_choice("severity", params.severity, SEVERITIES)
    check_time("timestamp", params.timestamp)
    payload = {
        "summary": (" ".join(params.summary.split()) or "No summary provided.")[:_MAX_SUMMARY],
        "source": params.source or "Switchyard",
        "severity": params.severity,
        "timestamp": params.timestamp,
        "component": params.component,
        "group": params.group,
        "class": params.class_,
        "custom_details": params.custom_details,
    }
    event["payload"] = {name: value for name, value in payload.items() if value}
    event["client"] = "Switchyard"
    if params.links:
        event["links"] = [link.model_dump() for link in params.links]
    return event


def _judge_answer(response: Response) -> tuple[Reason, str]:
    """Return what an answer means, and a line about it: an event is taken with 202 and the status "success" only."""
    said = read_object(response)
    reason = reason_for(response.status)
    if response.status == HTTPStatus.ACCEPTED and said.get("status") == "success":
        return reason, f"PagerDuty took the event for {said.get('dedup_key', 'its key')}."
    errors = said.get("errors")
    what = "; ".join(str(error) for error in errors) if isinstance(errors, list) else ""
    told = f"HTTP {response.status}: {said.get('message', 'no message')}. {what}".strip()
    if not reason.is_ok:
        return reason, told
    return Reason.RETRY_HTTP_5XX, f"{told} {_NOT_TAKEN}" if "message" in said else _NOT_TAKEN
