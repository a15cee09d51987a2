"""Finds issues again, and what a retry has already done to them.

Jira Cloud finds a new issue after some seconds only ("Search for issues using JQL": recent updates might not be
visible at once): a retry of a creation whose answer was lost waits for that.
"""

from dataclasses import dataclass
from typing import Any, Final

from connectors.net.exchange import Response
from connectors.types.base import Message
from connectors.types.jira.content import PROPERTY
from connectors.types.jira.schemas import JiraConfig, JiraParams, JiraSecrets
from connectors.types.sites import Site, segment
from connectors.types.tickets import MAX_LIST, Asking, ask, ask_for, read_answer

_NEWEST: Final = 20
_DONE: Final = "done"  # the key of the category of all statuses in which there is no more to do

JiraSite = Site[JiraConfig, JiraSecrets]


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue that is there."""

    key: str
    status: str
    is_done: bool


def root(config: JiraConfig) -> str:
    """Return the path of the REST API."""
    return "rest/api/3" if config.deployment == "cloud" else "rest/api/2"


def find_issue(site: JiraSite, message: Message[JiraParams], label: str, *, creates: bool) -> Asking:
    """Return the issue with the label: one that is not done, or one that this delivery made; None when there is none.

    Where no issue is going to be made, one that is done is better than none. Raises Unanswered.
    """
    issues: list[Issue] = yield from _search(site, message, label)
    for issue in issues:
        if not issue.is_done:
            return issue
    if not issues or not creates:
        return issues[0] if issues else None
    return issues[0] if (yield from is_own(site, message, issues[0])) else None


def read_issue(site: JiraSite, message: Message[JiraParams], key: str) -> Asking:
    """Return the issue with this key. Raises Unanswered."""
    query = {"fields": "status"}
    request = site.request("GET", f"{root(site.config)}/issue/{segment(key)}", query=query, message=message)
    return _issue((yield from ask(request)))


def is_own(site: JiraSite, message: Message[JiraParams], issue: Issue) -> Asking:
    """Return whether this delivery made the issue. Raises Unanswered."""
    path = f"{root(site.config)}/issue/{segment(issue.key)}/properties/{PROPERTY}"
    request = site.request("GET", path, message=message)
    result = yield request
    if isinstance(result, Response) and result.status == 404:
        return False
    value = read_answer(request, result).get("value")
    return isinstance(value, dict) and value.get("delivery") == message.webhook_id


def read_transitions(site: JiraSite, message: Message[JiraParams], key: str) -> Asking:
    """Return the transitions that the issue may take now, each with ``id``, ``name`` and ``to``. Raises Unanswered."""
    path = f"{root(site.config)}/issue/{segment(key)}/transitions"
    request = site.request("GET", path, message=message, max_body=MAX_LIST)
    return (yield from ask_for(request, "transitions"))


def read_own_comments(site: JiraSite, message: Message[JiraParams], key: str) -> Asking:
    """Return the numbers of the comments that this delivery has written already. Raises Unanswered."""
    query: dict[str, str | int] = {"orderBy": "-created", "maxResults": 50, "expand": "properties"}
    path = f"{root(site.config)}/issue/{segment(key)}/comment"
    request = site.request("GET", path, query=query, message=message, max_body=MAX_LIST)
    marks = [_mark(comment) for comment in (yield from ask_for(request, "comments"))]
    return {mark.get("number") for mark in marks if mark.get("delivery") == message.webhook_id}


def _search(site: JiraSite, message: Message[JiraParams], label: str) -> Asking:
    body = {
        "jql": f'project = "{site.config.project_key}" AND labels = "{label}" ORDER BY created DESC',
        "maxResults": _NEWEST,
        "fields": ["status", "labels"],
    }
    path = f"{root(site.config)}/search" + ("/jql" if site.config.deployment == "cloud" else "")
    request = site.request("POST", path, json=body, message=message, max_body=MAX_LIST)
    issues = yield from ask_for(request, "issues")
    # A search may take upper and lower case for the same.
    return [_issue(each) for each in issues if label in (_fields(each).get("labels") or [])]


def _issue(found: dict[str, Any]) -> Issue:
    status = _fields(found).get("status")
    status = status if isinstance(status, dict) else {}
    category = status.get("statusCategory")
    is_done = isinstance(category, dict) and category.get("key") == _DONE
    return Issue(str(found.get("key", "")), str(status.get("name", "")), is_done)


def _fields(issue: dict[str, Any]) -> dict[str, Any]:
    fields = issue.get("fields")
    return fields if isinstance(fields, dict) else {}


def _mark(comment: dict[str, Any]) -> dict[str, Any]:
    properties = comment.get("properties")
    for each in properties if isinstance(properties, list) else []:
        if isinstance(each, dict) and each.get("key") == PROPERTY and isinstance(each.get("value"), dict):
            value: dict[str, Any] = each["value"]
            return value
    return {}
