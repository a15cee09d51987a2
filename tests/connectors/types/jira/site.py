"""A Jira that keeps its issues: Cloud with version 3 of the REST API, or Data Center with version 2.

Checks and answers are from developer.atlassian.com, "Jira Cloud platform REST API v3" ("Create issue", "Edit issue",
"Transition issue", "Get transitions", "Add comment", "Get comments", "Search for issues using JQL enhanced search",
"Get issue property", "Get current user", "Get project", "Get my permissions", "Rate limiting"), "Atlassian Document
Format", and "Jira Data Center platform REST API".
"""

import re
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any

from tests.vendors import Answer, Call

EMAIL = "robot@example.com"
TOKEN = "ATATT3xFfGF0T4JVjdmAFake"
STATUSES = {"To Do": "new", "In Progress": "indeterminate", "Done": "done"}
TRANSITIONS = {"11": ("Back", "To Do"), "21": ("Start", "In Progress"), "31": ("Close", "Done")}
JQL = re.compile(r'project = "(\w+)" AND labels = "([^"\\]+)" ORDER BY created DESC')
PERMISSIONS = {"CREATE_ISSUES", "EDIT_ISSUES", "ADD_COMMENTS", "TRANSITION_ISSUES"}


@dataclass
class JiraSystem:
    """``issues`` by key, each with fields, properties, status and comments."""

    version: int = 3
    bearer: str = ""
    required: tuple[str, ...] = ()
    held: set[str] = field(default_factory=lambda: set(PERMISSIONS))
    issues: dict[str, dict[str, Any]] = field(default_factory=dict)
    lose: str = ""  # end of the path of a POST whose answer is lost, once, when all is done
    is_hidden: bool = False  # whether searches find nothing yet

    def __call__(self, call: Call) -> Answer:
        if not self._knows(call.headers["authorization"]):
            return Answer(401, b"Client must be authenticated to access this resource.")
        assert call.headers["accept"] == "application/json"
        root = f"/rest/api/{self.version}"
        if not call.path.startswith(root):
            return Answer(404, b"<html>")
        answer = self._route(call, call.path.removeprefix(root))
        if call.method == "POST" and self.lose and call.path.endswith(self.lose):
            self.lose = ""
            return Answer(503, b"the answer is lost")
        return answer

    def _knows(self, authorization: str) -> bool:
        if self.bearer:
            return authorization == f"Bearer {self.bearer}"
        scheme, _, credentials = authorization.partition(" ")
        return scheme == "Basic" and b64decode(credentials).decode() == f"{EMAIL}:{TOKEN}"

    def _route(self, call: Call, path: str) -> Answer:
        if call.method in ("POST", "PUT"):
            assert call.headers["content-type"] == "application/json"
        match call.method, path.split("/")[1:]:
            case "GET", ["myself"]:
                return Answer(200, {"accountId": "5b10a2844c20165700ede21g", "displayName": "Robot", "active": True})
            case "GET", ["project", key]:
                return Answer(200, {"key": key, "name": "Operations"}) if key == "OPS" else _missing("No project")
            case "GET", ["mypermissions"]:
                assert call.query["projectKey"] == ["OPS"]
                asked = call.query["permissions"][0].split(",")
                return Answer(200, {"permissions": {each: {"havePermission": each in self.held} for each in asked}})
            case ("POST", ["search", "jql"]) | ("POST", ["search"]):
                assert path == ("/search/jql" if self.version == 3 else "/search")
                return self._search(call.json)
            case "POST", ["issue"]:
                return self._create(call.json)
            case method, ["issue", key, *rest]:
                return self._one(call, method, key, rest) if key in self.issues else _missing("Issue does not exist")
        raise AssertionError(f"{call.method} {path}")

    def _search(self, sent: dict[str, Any]) -> Answer:
        assert sent.keys() <= {"jql", "maxResults", "fields"}
        asked = JQL.fullmatch(sent["jql"])
        assert asked, sent["jql"]
        project, label = asked.groups()
        found = [] if self.is_hidden else [key for key, issue in self.issues.items() if _has(issue, label)]
        assert all(key.startswith(f"{project}-") for key in found)
        return Answer(200, {"issues": [self._shown(key) for key in reversed(found)], "isLast": True})

    def _create(self, sent: dict[str, Any]) -> Answer:
        assert sent.keys() <= {"fields", "update", "properties", "transition", "historyMetadata"}
        fields = sent["fields"]
        errors = {name: f"{name} is required." for name in self.required if name not in fields}
        errors |= self._faults(fields)
        if fields["project"] != {"key": "OPS"}:
            errors["project"] = "valid project is required"
        if errors:
            return Answer(400, {"errorMessages": [], "errors": errors})
        assert fields["issuetype"].keys() <= {"name", "id"}
        key = f"OPS-{len(self.issues) + 1}"
        properties = {each["key"]: each["value"] for each in sent.get("properties", [])}
        self.issues[key] = {"fields": fields, "properties": properties, "status": "To Do", "comments": []}
        return Answer(201, {"id": f"1000{len(self.issues)}", "key": key, "self": f"https://x/rest/api/3/issue/{key}"})

    def _faults(self, fields: dict[str, Any]) -> dict[str, str]:
        assert len(fields.get("summary", "")) <= 255
        assert "\n" not in fields.get("summary", "")
        if "description" in fields:
            self._check_text(fields["description"])
        for label in fields.get("labels", []):
            assert len(label) <= 255
            assert not re.search(r"\s", label)
        return {}

    def _check_text(self, text: Any) -> None:
        if self.version == 2:
            assert isinstance(text, str)
            assert len(text) <= 32_767
            return
        assert text.keys() == {"type", "version", "content"}
        assert (text["type"], text["version"]) == ("doc", 1)
        for paragraph in text["content"]:
            assert paragraph.keys() == {"type", "content"}
            assert paragraph["type"] == "paragraph"
            for node in paragraph["content"]:
                assert node == {"type": "hardBreak"} or (node.keys() == {"type", "text"} and node["text"])

    def _one(self, call: Call, method: str, key: str, rest: list[str]) -> Answer:
        issue = self.issues[key]
        match method, rest:
            case "GET", []:
                return Answer(200, self._shown(key))
            case "PUT", []:
                return self._edit(issue, call.json)
            case "GET", ["properties", name]:
                if name not in issue["properties"]:
                    return _missing("The property with key does not exist.")
                return Answer(200, {"key": name, "value": issue["properties"][name]})
            case "GET", ["comment"]:
                assert call.query["expand"] == ["properties"]
                return Answer(200, {"comments": issue["comments"][::-1], "total": len(issue["comments"])})
            case "POST", ["comment"]:
                sent = call.json
                assert sent.keys() <= {"body", "properties", "visibility"}
                self._check_text(sent["body"])
                issue["comments"].append(sent)
                return Answer(201, {"id": "1", "body": sent["body"]})
            case "GET", ["transitions"]:
                return Answer(200, {"transitions": [_transition(each) for each in TRANSITIONS]})
            case "POST", ["transitions"]:
                assert call.json.keys() <= {"transition", "fields", "update"}
                issue["status"] = TRANSITIONS[call.json["transition"]["id"]][1]
                issue["fields"] |= call.json.get("fields", {})
                return Answer(204)
        raise AssertionError(f"{method} {rest}")

    def _edit(self, issue: dict[str, Any], sent: dict[str, Any]) -> Answer:
        assert sent.keys() <= {"fields", "update", "properties", "transition", "historyMetadata"}
        assert not sent["fields"].keys() & sent["update"].keys()
        self._faults(sent["fields"])
        issue["fields"] |= sent["fields"]
        for change in sent["update"].get("labels", []):
            issue["fields"]["labels"].append(change["add"])
        return Answer(204)

    def _shown(self, key: str) -> dict[str, Any]:
        issue = self.issues[key]
        category = STATUSES[issue["status"]]
        status = {"name": issue["status"], "statusCategory": {"id": 2, "key": category, "name": category.title()}}
        return {"id": "10001", "key": key, "fields": {"status": status, "labels": issue["fields"]["labels"]}}


def _has(issue: dict[str, Any], label: str) -> bool:
    # A search takes upper and lower case for the same.
    return label.casefold() in [each.casefold() for each in issue["fields"]["labels"]]


def _transition(transition_id: str) -> dict[str, Any]:
    name, status = TRANSITIONS[transition_id]
    to = {"name": status, "statusCategory": {"key": STATUSES[status]}}
    return {"id": transition_id, "name": name, "to": to}


def _missing(message: str) -> Answer:
    return Answer(404, {"errorMessages": [message], "errors": {}})
