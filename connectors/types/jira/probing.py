"""What the test of a Jira connector asks: who am I, is the project there, and what may I do in it.

Source: "Jira Cloud platform REST API v3", "Get current user", "Get project" and "Get my permissions"; the same stand in
the REST API of Server and Data Center.
"""

from collections.abc import Iterator
from typing import Final

from connectors.net.exchange import Failure, Response
from connectors.outcomes import Reason
from connectors.steps import Step
from connectors.types.answers import reason_for
from connectors.types.http_probe import status_step
from connectors.types.jira.issues import JiraSite, root
from connectors.types.jira.telling import explain
from connectors.types.sites import read_object, segment

_PERMISSIONS: Final = {
    "CREATE_ISSUES": "make issues",
    "EDIT_ISSUES": "update them",
    "ADD_COMMENTS": "comment on them",
    "TRANSITION_ISSUES": "move them",
}


def judge_jira(site: JiraSite, response: Response) -> Iterator[Step]:
    """Yield the steps authenticate, project and permissions, from the answer to "who am I" on."""
    step = _judge_user(site, response)
    yield step
    if not step.reason.is_ok:
        return
    step = _ask_for_project(site)
    yield step
    if step.reason.is_ok:
        yield _ask_for_permissions(site)


def _judge_user(site: JiraSite, response: Response) -> Step:
    user = read_object(response)
    name = user.get("displayName") or user.get("name")
    if response.status == 200 and name:
        return Step("authenticate", f"Jira knows the account as {name}.")
    if response.status in (401, 403):
        return _failed(
            "authenticate",
            explain(response),
            "Check the email address and the API token, and which authentication is chosen. After too many failures "
            "Server and Data Center want the user to log in by hand once.",
        )
    if response.status in (200, 404):
        return _failed(
            "authenticate",
            f"HTTP {response.status}: there is no Jira with its {root(site.config)} at this address.",
            "Check the URL and the deployment: Server and Data Center have no version 3.",
        )
    step = status_step("GET", response.status)
    return Step("authenticate", step.detail, reason=step.reason, advice=step.advice)


def _ask_for_project(site: JiraSite) -> Step:
    key = site.config.project_key
    result = site.ask(site.request("GET", f"{root(site.config)}/project/{segment(key)}"))
    if isinstance(result, Failure):
        return Step("project", result.detail, result.duration, result.reason, "Try again.")
    if result.status == 200:
        return Step("project", f"The project {key} is there: {read_object(result).get('name', key)}.", result.duration)
    if result.status == 404:
        return _failed(
            "project",
            f"There is no project {key} that the account can see.",
            "Check the project key, and that the account may browse the project.",
        )
    return _refused("project", result)


def _ask_for_permissions(site: JiraSite) -> Step:
    query = {"projectKey": site.config.project_key, "permissions": ",".join(_PERMISSIONS)}
    result = site.ask(site.request("GET", f"{root(site.config)}/mypermissions", query=query, max_body=256 * 1024))
    if isinstance(result, Failure):
        return Step("permissions", result.detail, result.duration, result.reason, "Try again.")
    if result.status != 200:
        return _refused("permissions", result)
    found = read_object(result).get("permissions")
    held = {
        name
        for name, permission in (found.items() if isinstance(found, dict) else ())
        if isinstance(permission, dict) and permission.get("havePermission") is True
    }
    lacking = [what for name, what in _PERMISSIONS.items() if name not in held]
    if "CREATE_ISSUES" not in held:
        return _failed(
            "permissions",
            f"The account may not make issues in {site.config.project_key}.",
            "An administrator of the project gives it the permission Create Issues.",
        )
    if lacking:
        return Step(
            "permissions",
            f"The account may make issues, but not {', '.join(lacking)}.",
            result.duration,
            advice="Actions that do no more than make issues work.",
        )
    return Step("permissions", "The account may make, update, comment and move issues.", result.duration)


def _refused(name: str, response: Response) -> Step:
    reason = reason_for(response.status)
    return Step(
        name,
        explain(response) or f"HTTP {response.status}.",
        response.duration,
        Reason.BAD_CONFIG if reason.is_ok else reason,
        "See what Jira says; its administrators find more in its logs.",
    )


def _failed(name: str, detail: str, advice: str) -> Step:
    return Step(name, detail, reason=Reason.BAD_CONFIG, advice=advice)
