"""A receiver for the alerts of Opsgenie and Jira Service Management, which keeps them by alias.

Checks are from docs.opsgenie.com, "Alert API" (fields, their limits, the ways to name an alert), "Response" (status
codes and bodies) and "Rate Limiting"; for Jira Service Management from developer.atlassian.com, "Jira Service
Management ops REST API", "Integration events", which has the same under another path.
"""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.vendors import Answer, Call

KEY = "eb243592-faa2-4ba2-a551-1afdf565c889"
LIMITS = {
    "message": 130,
    "alias": 512,
    "description": 15_000,
    "entity": 512,
    "source": 100,
    "user": 100,
    "note": 25_000,
}
LISTS = {"responders": 50, "visibleTo": 50, "actions": 10, "tags": 20}
CREATE = LIMITS.keys() | LISTS.keys() | {"details", "priority"}
CHANGE = {"user", "source", "note"}
ENDS = {"close": "closed", "acknowledge": "acknowledged", "notes": "noted"}


@dataclass
class AlertDesk:
    """``alerts`` has each alert that was ever opened, in order; ``root`` is the path of the API's alerts."""

    root: str
    alerts: list[dict[str, Any]] = field(default_factory=list)
    lost: int = 0  # answers to lose, once the request is done

    def __call__(self, call: Call) -> Answer:
        assert call.path.startswith(self.root)
        if call.headers["authorization"] != f"GenieKey {KEY}":
            return self._say(401, message="Could not authenticate")
        if call.method == "GET":
            return self._read(call)
        assert call.method == "POST"
        assert call.headers["content-type"] == "application/json"
        rest = call.path.removeprefix(self.root).strip("/")
        if rest:
            alias, _, end = rest.partition("/")
            assert call.query == {"identifierType": ["alias"]}
            self._change(unquote(alias), end, call.json)
        else:
            self._open(call.json)
        if self.lost:
            self.lost -= 1
            return Answer(502, b"the answer is lost")
        return self._say(202, result="Request will be processed")

    def _read(self, call: Call) -> Answer:
        rest = call.path.removeprefix(self.root)
        if rest == "/count":
            return self._say(200, data={"count": len(self.alerts)})
        assert rest.startswith("/requests/")
        return self._say(404, message="Request not found. It might not be processed, yet.")

    def _open(self, sent: dict[str, Any]) -> None:
        assert sent.keys() <= CREATE
        assert sent["message"]
        self._check(sent)
        assert sent.get("priority", "P3") in {"P1", "P2", "P3", "P4", "P5"}
        assert all(isinstance(value, str) for value in sent.get("details", {}).values())
        assert all(party["type"] in {"team", "user", "escalation", "schedule"} for party in sent.get("responders", []))
        assert all(party["type"] in {"team", "user"} for party in sent.get("visibleTo", []))
        for alert in self.alerts:
            if alert["alias"] == sent["alias"] and alert["status"] != "closed":
                alert["count"] += 1
                return
        self.alerts.append({**sent, "status": "open", "count": 1})

    def _change(self, alias: str, end: str, sent: dict[str, Any]) -> None:
        assert sent.keys() <= CHANGE
        assert end != "notes" or sent["note"]
        self._check(sent)
        for alert in self.alerts:
            if alert["alias"] == alias and alert["status"] != "closed":
                alert["status"] = ENDS[end]

    def _check(self, sent: dict[str, Any]) -> None:
        for name, most in LIMITS.items():
            assert len(sent.get(name, "").encode("utf-16-le")) <= 2 * most, name
        for name, most in LISTS.items():
            assert len(sent.get(name, [])) <= most, name
        assert all(0 < len(text) <= 50 for name in ("tags", "actions") for text in sent.get(name, []))
        assert sum(len(name) + len(value) for name, value in sent.get("details", {}).items()) <= 8000

    def _say(self, status: int, **said: Any) -> Answer:
        return Answer(status, {**said, "took": 0.1, "requestId": "43a29c5c-3dbf-4fa4-9c26-f4f71023e120"})
