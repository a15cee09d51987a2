"""Alerts as Opsgenie's Alert API takes them, and Jira Service Management's integration events, which are the same.

Sources: docs.opsgenie.com, "Alert API", "Response" and "Rate Limiting"; developer.atlassian.com, "Jira Service
Management ops REST API", "Integration events". Requests are taken with 202 and done later: that no alert with an alias
is open is not told.
"""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final

from connectors.net.exchange import Response
from connectors.outcomes import Reason
from connectors.steps import Step
from connectors.types.answers import RESULTS, reason_for
from connectors.types.base import Adopted, Message
from connectors.types.conversations import BadMessage
from connectors.types.http_api import Exchange, HttpApiType
from connectors.types.http_probe import ASKING, VETTING, status_step
from connectors.types.ops_alert_fields import (
    MAX_ACTION,
    MAX_ALIAS,
    MAX_DESCRIPTION,
    MAX_DETAILS,
    MAX_ENTITY,
    MAX_MESSAGE,
    MAX_NOTE,
    MAX_SOURCE,
    MAX_TAG,
    MAX_USER,
    PRIORITIES,
    SUB_ACTIONS,
    OpsAlertConfig,
    OpsAlertParams,
    OpsAlertSecrets,
    Party,
)
from connectors.types.rendered import check_choice, check_length, cut
from connectors.types.sites import Site, read_object, segment

_PATHS: Final = {"closeAlert": "close", "acknowledgeAlert": "acknowledge", "addNote": "notes"}

OpsAlertSite = Site[OpsAlertConfig, OpsAlertSecrets]


class OpsAlertType(HttpApiType[OpsAlertConfig, OpsAlertSecrets, OpsAlertParams]):
    """Opens, acknowledges and closes alerts, and adds notes. ``alerts`` is the path of its resource."""

    alerts: str
    checks = {
        **VETTING,
        **ASKING,
        "authenticate": "The API key is accepted.",
        "status": "What the answer says, where none of these steps can.",
    }
    results = {**RESULTS, "an answer 2xx that is not the one with which a request is taken": Reason.RETRY_HTTP_5XX}
    secrets_model = OpsAlertSecrets
    params_model = OpsAlertParams

    def base_url(self, config: OpsAlertConfig, secrets: OpsAlertSecrets) -> str:
        return config.api_url

    def missing_secrets(self, config: OpsAlertConfig, secrets: OpsAlertSecrets) -> list[str]:
        return [] if secrets.api_key else ["api_key"]

    def headers(self, config: OpsAlertConfig, secrets: OpsAlertSecrets) -> Mapping[str, str]:
        key = secrets.api_key.get_secret_value() if secrets.api_key else ""
        return {"authorization": f"GenieKey {key}", "accept": "application/json"}

    def adopt(self, config: Mapping[str, Any]) -> Adopted:
        return Adopted({"api_url": config.get("apiUrl", "")}, ("api_key",))

    def converse(self, site: OpsAlertSite, message: Message[OpsAlertParams]) -> Exchange:
        params = message.params
        check_choice("sub_action", params.sub_action, SUB_ACTIONS)
        alias = _short_alias(params.alias)
        if params.sub_action == "createAlert":
            body = _new_alert(params, alias or message.webhook_id)
            request = site.request("POST", self.alerts, json=body, message=message)
        elif not alias:
            raise BadMessage(f"alias is empty: {params.sub_action} needs the alias that the alert was opened with.")
        else:
            path = f"{self.alerts}/{segment(alias)}/{_PATHS[params.sub_action]}"
            query = {"identifierType": "alias"}
            request = site.request("POST", path, query=query, json=_change(params), message=message)
        result = yield request
        if not isinstance(result, Response):
            return site.outcome(message, request, result)
        reason, detail = self._judge_answer(result)
        return site.outcome(message, request, result, reason, detail)

    def judge_key(self, response: Response, passes: frozenset[int]) -> Iterator[Step]:
        """Yield what the answer to a question says of the key; ``passes`` are the statuses that speak for it."""
        if response.status in passes:
            yield Step("authenticate", f"{self.name} takes the API key.")
        elif response.status in (401, 402):
            yield Step(
                "authenticate",
                self._explain(response),
                reason=Reason.BAD_CONFIG,
                advice="Use the key of an API integration that is switched on, and the API URL of its region.",
            )
        elif response.status == 403:
            yield Step(
                "authenticate",
                f"{self.name} knows the API key, which may not read alerts.",
                advice="Messages need the right to create and update alerts: see the integration's settings.",
            )
        elif response.status == 404:
            yield Step(
                "authenticate",
                "HTTP 404: there is no such API at this address.",
                reason=Reason.BAD_CONFIG,
                advice="Check the API URL: the scheme and host, without a path.",
            )
        else:
            yield status_step("GET", response.status)

    def _judge_answer(self, response: Response) -> tuple[Reason, str]:
        """Return what an answer means, and a line about it. A request was taken with 202, a result and an id only."""
        said = read_object(response)
        reason = reason_for(response.status)
        if response.status == HTTPStatus.ACCEPTED and said.get("requestId") and said.get("result"):
            return reason, f"{self.name} took the request {said['requestId']}."
        if not reason.is_ok:
            return reason, self._explain(response)
        told = f"This is no answer of {self.name} that takes a request. Check the address, and what stands between."
        return Reason.RETRY_HTTP_5XX, f"{self._explain(response)} {told}" if "message" in said else told

    def _explain(self, response: Response) -> str:
        said = read_object(response)
        what = f"HTTP {response.status}: {said.get('message', 'no message')}"
        if isinstance(errors := said.get("errors"), dict):
            what += "".join(f"; {field}: {fault}" for field, fault in errors.items())
        return f"{what.removesuffix('.')}."


def _new_alert(params: OpsAlertParams, alias: str) -> dict[str, Any]:
    if params.priority:
        check_choice("priority", params.priority, PRIORITIES)
    if not params.message.strip():
        raise BadMessage("message is empty.")
    for field, values, most in (("tags", params.tags, MAX_TAG), ("actions", params.actions, MAX_ACTION)):
        for value in values:
            check_length(field, value, most)
    alert = {
        "message": cut(" ".join(params.message.split()), MAX_MESSAGE),
        "alias": alias,
        "description": cut(params.description, MAX_DESCRIPTION),
        "responders": [_party("responders", each) for each in params.responders],
        "visibleTo": [_party("visible_to", each) for each in params.visible_to],
        "actions": [action for action in params.actions if action],
        "tags": [tag for tag in params.tags if tag],
        "details": _details(params),
        "entity": cut(params.entity, MAX_ENTITY),
        "priority": params.priority,
        **_change(params),
    }
    return {name: value for name, value in alert.items() if value}


def _change(params: OpsAlertParams) -> dict[str, str]:
    if params.sub_action == "addNote" and not params.note.strip():
        raise BadMessage("note is empty.")
    change = {
        "user": cut(params.user, MAX_USER),
        "source": cut(params.source, MAX_SOURCE),
        "note": cut(params.note, MAX_NOTE),
    }
    return {name: value for name, value in change.items() if value}


def _party(field: str, party: Party) -> dict[str, str]:
    named = {name: value for name, value in party.model_dump().items() if value}
    if len(named) < 2:  # the kind is always there
        raise BadMessage(f"{field} has somebody without an id, a name or a user name.")
    return named


def _details(params: OpsAlertParams) -> dict[str, str]:
    details = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in params.details.items()
    }
    check_length("details", "".join(f"{name}{value}" for name, value in details.items()), MAX_DETAILS)
    return details


def _short_alias(alias: str) -> str:
    """Return an alias that is short enough, made as Kibana makes it: what it opened can be closed from here."""
    return alias if len(alias) <= MAX_ALIAS else f"sha-{sha256(alias.encode('utf-8', 'replace')).hexdigest()}"
