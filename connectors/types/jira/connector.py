"""The Jira connector type: an issue is found again by its label, and each step of a message is taken once."""

from base64 import b64encode
from collections.abc import Generator, Iterator, Mapping
from typing import Any, Final

from connectors.net.exchange import Request, Response, Result
from connectors.net.urls import BadUrl, parse_url
from connectors.outcomes import Outcome, Reason
from connectors.steps import Step
from connectors.types.base import Adopted, Message, TemplateFormat
from connectors.types.conversations import BadMessage
from connectors.types.http_api import Exchange, HttpApiType
from connectors.types.http_probe import ASKING, VETTING
from connectors.types.jira.content import added_labels, changed_fields, label_of, mark_of, new_fields, text_in
from connectors.types.jira.issues import (
    Issue,
    JiraSite,
    find_issue,
    is_own,
    read_issue,
    read_own_comments,
    read_transitions,
    root,
)
from connectors.types.jira.probing import judge_jira
from connectors.types.jira.schemas import SUB_ACTIONS, JiraConfig, JiraParams, JiraSecrets
from connectors.types.jira.telling import explain
from connectors.types.rendered import check_choice
from connectors.types.sites import read_object, segment
from connectors.types.tickets import Unanswered, settle

_CREATES: Final = frozenset({"pushToService", "createIssue"})
_UPDATES: Final = frozenset({"pushToService", "updateIssue"})
_MARKUP: Final = frozenset({"description", "comments"})

# Ends with the outcome when the message has ended early, or with None to go on.
Part = Generator[Request, Result, Outcome | None]


class JiraConnectorType(HttpApiType[JiraConfig, JiraSecrets, JiraParams]):
    """Makes, updates, comments and moves issues."""

    id = "jira"
    name = "Jira"
    description = "Makes, updates, comments and moves issues in Jira Cloud, Server and Data Center."
    categories = ("tickets",)
    icon = "task"
    kibana_id = ".jira"
    checks = {
        **VETTING,
        "token": "The token endpoint gives an access token. For OAuth 2.",
        **ASKING,
        "authenticate": "Jira accepts the credentials; whose they are.",
        "project": "The project is there.",
        "permissions": "The user may create issues in it.",
    }
    config_model = JiraConfig
    secrets_model = JiraSecrets
    params_model = JiraParams

    def base_url(self, config: JiraConfig, secrets: JiraSecrets) -> str:
        return config.api_url

    def headers(self, config: JiraConfig, secrets: JiraSecrets) -> Mapping[str, str]:
        if config.auth == "bearer":
            credentials = f"Bearer {secrets.api_token.get_secret_value() if secrets.api_token else ''}"
        else:
            credentials = f"Basic {b64encode(_credentials(secrets).encode()).decode()}"
        return {"authorization": credentials, "accept": "application/json"}

    def derived_secrets(self, config: JiraConfig, secrets: JiraSecrets) -> list[str]:
        return [_credentials(secrets)] if config.auth == "basic" else []

    def missing_secrets(self, config: JiraConfig, secrets: JiraSecrets) -> list[str]:
        needed = ("email", "api_token") if config.auth == "basic" else ("api_token",)
        return [name for name in needed if not getattr(secrets, name)]

    def template_format(self, config: JiraConfig, params: dict[str, Any], field: str) -> TemplateFormat:
        if field == "other_fields":
            return "json"
        return "jira" if config.deployment == "server" and field in _MARKUP else "text"

    def adopt(self, config: Mapping[str, Any]) -> Adopted:
        url = str(config.get("apiUrl") or "")
        adopted = {"api_url": url, "project_key": config.get("projectKey") or "", "deployment": _deployment(url)}
        return Adopted(adopted, ("email", "api_token"))

    def probe_request(self, site: JiraSite) -> Request:
        return site.request("GET", f"{root(site.config)}/myself")

    def judge(self, site: JiraSite, request: Request, response: Response) -> Iterator[Step]:
        return judge_jira(site, response)

    def converse(self, site: JiraSite, message: Message[JiraParams]) -> Exchange:
        _check(message.params)
        try:
            return (yield from self._converse(site, message))
        except Unanswered as unanswered:
            return _told(site, message, unanswered.request, unanswered.result)

    def _converse(self, site: JiraSite, message: Message[JiraParams]) -> Exchange:
        params = message.params
        label = label_of(params.external_id or message.webhook_id)
        creates = params.sub_action in _CREATES
        # Made before the first request: what is wrong with them shows before anything has changed.
        made = new_fields(site.config, params, label) if creates and not params.issue_key else {}
        issue: Issue | None
        if params.issue_key:
            issue = yield from read_issue(site, message, params.issue_key)
        else:
            issue = yield from find_issue(site, message, label, creates=creates)
        if issue is not None:
            return (yield from _change(site, message, issue))
        if not creates:
            detail = f"Jira has no issue with the external ID {params.external_id!r} in {site.config.project_key}."
            return Outcome(message.key, Reason.PERMANENT_4XX, site.masker.mask(detail))
        return (yield from _create(site, message, made))


def _create(site: JiraSite, message: Message[JiraParams], fields: dict[str, Any]) -> Exchange:
    body = {"fields": fields, "properties": mark_of(message)}
    request = site.request("POST", f"{root(site.config)}/issue", json=body, message=message)
    result = yield request
    key = str(read_object(result).get("key", "")) if isinstance(result, Response) and result.status == 201 else ""
    if not key:
        return settle(_told(site, message, request, result))
    if ended := (yield from _comment(site, message, key, written=set())):
        return ended
    return site.outcome(message, request, result, detail=f"Jira made the issue {key}.")


def _change(site: JiraSite, message: Message[JiraParams], issue: Issue) -> Exchange:
    params = message.params
    done = [f"Found {issue.key}"]
    if params.sub_action in _UPDATES:
        body = {"fields": changed_fields(site.config, params), "update": added_labels(params)}
        path = f"{root(site.config)}/issue/{segment(issue.key)}"
        request = site.request("PUT", path, json=body, message=message)
        result = yield request
        if not isinstance(result, Response) or result.status != 204:
            return _told(site, message, request, result)
        done.append("updated it")
    # What createIssue leaves as it is may be what it has made itself, in a try that came no further.
    comments = any(params.comments) and (
        params.sub_action != "createIssue" or (yield from is_own(site, message, issue))
    )
    if comments:
        written = yield from read_own_comments(site, message, issue.key)
        if ended := (yield from _comment(site, message, issue.key, written=written)):
            return ended
        done.append("commented on it")
    if params.sub_action == "transitionIssue":
        return (yield from _move(site, message, issue))
    return Outcome(message.key, Reason.OK, f"{', '.join(done)}.")


def _comment(site: JiraSite, message: Message[JiraParams], key: str, *, written: set[int]) -> Part:
    """Add the comments but those that are ``written``; return the outcome of the first that fails."""
    for number, text in enumerate(message.params.comments, 1):
        if not text.strip() or number in written:
            continue
        body = {"body": text_in(site.config, text), "properties": mark_of(message, number)}
        path = f"{root(site.config)}/issue/{segment(key)}/comment"
        request = site.request("POST", path, json=body, message=message)
        result = yield request
        if not isinstance(result, Response) or result.status != 201:
            return _told(site, message, request, result)
    return None


def _move(site: JiraSite, message: Message[JiraParams], issue: Issue) -> Exchange:
    wanted = message.params.transition
    if issue.status.casefold() == wanted.casefold():
        return Outcome(message.key, Reason.OK, f"{issue.key} is in {issue.status} already.")
    transitions = yield from read_transitions(site, message, issue.key)
    chosen = _choose(transitions, wanted)
    if chosen is None:
        names = ", ".join(sorted({_target(each) for each in transitions})) or "nowhere"
        detail = f"transition: {issue.key} is in {issue.status} and cannot go to {wanted!r}, but to {names}."
        return Outcome(message.key, Reason.PERMANENT_4XX, site.masker.mask(" ".join(detail.split())[:1000]))
    body: dict[str, Any] = {"transition": {"id": str(chosen.get("id", ""))}}
    if message.params.other_fields:
        body["fields"] = message.params.other_fields
    path = f"{root(site.config)}/issue/{segment(issue.key)}/transitions"
    request = site.request("POST", path, json=body, message=message)
    result = yield request
    if not isinstance(result, Response) or result.status != 204:
        return _told(site, message, request, result)
    return site.outcome(message, request, result, detail=f"{issue.key} went from {issue.status} to {_target(chosen)}.")


def _choose(transitions: list[dict[str, Any]], wanted: str) -> dict[str, Any] | None:
    """Return the transition that leads to the status of this name, or else has this name itself."""
    name = wanted.casefold()
    leading = [each for each in transitions if _target(each).casefold() == name]
    called = [each for each in transitions if str(each.get("name", "")).casefold() == name]
    return next(iter(leading + called), None)


def _target(transition: dict[str, Any]) -> str:
    to = transition.get("to")
    return str(to.get("name", "")) if isinstance(to, dict) else str(transition.get("name", ""))


def _told(site: JiraSite, message: Message[JiraParams], request: Request, result: Result) -> Outcome:
    """Return the outcome of a request that Jira did not do."""
    if not isinstance(result, Response):
        return site.outcome(message, request, result)
    # A status that says yes where it is not the one to be expected comes from something else than Jira.
    reason = Reason.BAD_CONFIG if result.status < 300 else None
    return site.outcome(message, request, result, reason=reason, detail=explain(result))


def _check(params: JiraParams) -> None:
    check_choice("sub_action", params.sub_action, SUB_ACTIONS)
    if params.sub_action not in _CREATES and not (params.external_id or params.issue_key):
        raise BadMessage(f"external_id and issue_key are empty: {params.sub_action} needs one of them.")
    if params.sub_action == "addComment" and not any(text.strip() for text in params.comments):
        raise BadMessage("comments is empty.")
    if params.sub_action == "transitionIssue" and not params.transition.strip():
        raise BadMessage("transition is empty.")


def _credentials(secrets: JiraSecrets) -> str:
    return ":".join(each.get_secret_value() if each else "" for each in (secrets.email, secrets.api_token))


def _deployment(url: str) -> str:
    try:
        host = parse_url(url)[0].host
    except BadUrl:
        return "cloud"
    return "cloud" if host.endswith((".atlassian.net", ".atlassian.com", ".jira.com")) else "server"
