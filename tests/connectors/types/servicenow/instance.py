"""A ServiceNow instance that keeps its incidents and gives out access tokens.

Checks and answers are from ServiceNow's REST API reference: "Table API" (GET, POST and PATCH of
/now/table/{tableName}/{sys_id}, its parameters, the status codes 200, 201, 401, 403 and 404, error bodies), "Encoded
query strings", "Inbound REST API rate limiting" (429), and "OAuth API" (/oauth_token.do with client_id and
client_secret in the form).
"""

import re
from base64 import b64decode, urlsafe_b64decode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import orjson

from tests.vendors import Answer, Call

USER = "robot"
PASSWORD = "r0bot:p4ss"
CLIENT = "3f8ee93a45553010c0a05206e0e0f800"
CLIENT_SECRET = "cl13nt-s3cret"
ROOT = "/api/now/table/incident"
QUERY = re.compile(r"correlation_id=([^^]*)\^ORDERBYDESCsys_created_on")
COLUMNS = {
    "short_description": 160,
    "description": 4000,
    "correlation_id": 100,
    "correlation_display": 100,
    "close_notes": 4000,
}


@dataclass
class Instance:
    """``incidents`` in the order of their making, each with its columns."""

    incidents: list[dict[str, Any]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    lose: str = ""  # method of a request whose answer is lost, once, when all is done
    grants: list[dict[str, list[str]]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    may_write: bool = True

    def __call__(self, call: Call) -> Answer:
        if call.path == "/oauth_token.do":
            return self._grant(call)
        if not self._knows(call.headers.get("authorization", "")):
            return _error(401, "User Not Authenticated", "Required to provide Auth information")
        assert call.headers["accept"] == "application/json"
        answer = self._route(call)
        if self.lose == call.method:
            self.lose = ""
            return Answer(504, b"the answer is lost")
        return answer

    def _grant(self, call: Call) -> Answer:
        assert call.headers["content-type"] == "application/x-www-form-urlencoded"
        form = parse_qs(call.body.decode())
        self.grants.append(form)
        if form["client_id"] != [CLIENT] or form["client_secret"] != [CLIENT_SECRET]:
            return Answer(401, {"error": "invalid_client", "error_description": "access_denied"})
        if form["grant_type"] == ["password"]:
            assert (form["username"], form["password"]) == ([USER], [PASSWORD])
        token = f"token-{len(self.grants)}"
        return Answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": 1799, "scope": "useraccount"})

    def _knows(self, authorization: str) -> bool:
        scheme, _, rest = authorization.partition(" ")
        if scheme == "Bearer":
            return rest not in self.refused and rest in {f"token-{n}" for n in range(1, len(self.grants) + 1)}
        return scheme == "Basic" and b64decode(rest).decode() == f"{USER}:{PASSWORD}"

    def _route(self, call: Call) -> Answer:
        shown = call.query.get("sysparm_fields", [""])[0].split(",")
        if call.method == "GET":
            assert call.path == ROOT
            return self._read(call, shown)
        assert call.headers["content-type"] == "application/json"
        if not self.may_write:
            detail = "ACL Exception Insert Failed due to security constraints"
            return _error(403, "Operation Failed", detail)
        if call.method == "POST":
            assert call.path == ROOT
            incident = self._write({"active": "true", "state": "1"}, call.json)
            incident |= {"sys_id": f"{len(self.incidents):032x}", "number": f"INC{len(self.incidents):07}"}
            self.incidents.append(incident)
            return Answer(201, {"result": _shown(incident, shown)})
        assert call.method == "PATCH"
        for incident in self.incidents:
            if call.path == f"{ROOT}/{incident['sys_id']}":
                self._write(incident, call.json)
                return Answer(200, {"result": _shown(incident, shown)})
        return _error(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")

    def _read(self, call: Call, shown: list[str]) -> Answer:
        found = self.incidents[::-1]
        if "sysparm_query" in call.query:
            asked = QUERY.fullmatch(call.query["sysparm_query"][0])
            assert asked, call.query
            # What an instance would read as something else than the value itself.
            assert not re.match(r"javascript:|null\Z|\s", asked[1], re.IGNORECASE)
            found = [each for each in found if each.get("correlation_id", "").lower() == asked[1].lower()]
        limit = int(call.query["sysparm_limit"][0])
        return Answer(200, {"result": [_shown(each, shown) for each in found[:limit]]})

    def _write(self, incident: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
        for column, most in COLUMNS.items():
            assert len(sent.get(column, "")) <= most, column
        self.notes += [(name, sent[name]) for name in ("work_notes", "comments") if name in sent]
        incident |= {name: value for name, value in sent.items() if name not in ("work_notes", "comments")}
        if incident["state"] == "7":
            assert incident["close_code"]
            assert incident["close_notes"]
            incident["active"] = "false"
        return incident


def claims_of(jwt: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Return header, claims, what is signed and the signature."""
    signed, _, signature = jwt.rpartition(".")
    header, claims = (orjson.loads(urlsafe_b64decode(part + "==")) for part in signed.split("."))
    return header, claims, signed.encode(), urlsafe_b64decode(signature + "==")


def _shown(incident: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    return {name: incident.get(name, "") for name in columns}


def _error(status: int, message: str, detail: str) -> Answer:
    return Answer(status, {"error": {"message": message, "detail": detail}, "status": "failure"})
