"""A client of one space's API, and rows to look at through it."""

import json
from collections.abc import Iterator
from typing import Any, cast
from uuid import uuid4

from django.contrib.auth.models import User
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import Client
from django.utils import timezone

from actions.models import Action, Delivery, EventLogEntry
from rules.history.records import RunRecord
from rules.models import Alert, Event, Rule
from spaces.models import Space
from spaces.services import create_api_key


class Answer:
    """A response, proven to be JSON or a table, and a problem document if it is an error."""

    def __init__(self, response: HttpResponseBase) -> None:
        if isinstance(response, StreamingHttpResponse):
            response = _whole(response)
        assert isinstance(response, HttpResponse)
        self.status = response.status_code
        self.headers: dict[str, str] = dict(response.headers)
        self.text = response.content.decode()
        is_file = self.headers.get("Content-Type", "").startswith("text/csv")
        self.body: Any = None
        if not is_file:
            self.body = json.loads(self.text or "null")
        if self.status >= 400:
            assert self.headers["Content-Type"] == "application/problem+json"
            assert self.body["status"] == self.status
            assert self.body["detail"]
        elif self.text and not is_file:
            assert self.headers["Content-Type"] == "application/json"

    @property
    def ids(self) -> list[Any]:
        """The ids of a page."""
        return [row["id"] for row in self.body["results"]]

    @property
    def places(self) -> list[str]:
        """The pointers of a refused body."""
        return [error["pointer"] for error in self.body["errors"]]

    @property
    def parameters(self) -> list[str]:
        """The names of the refused parameters of a query."""
        return [each["name"] for each in self.body["parameters"]]


class Api:
    """Sends requests with a key of the space; a path without a leading slash is in the space."""

    def __init__(self, space: Space) -> None:
        self.root = f"/api/v1/spaces/{space.slug}/"
        self.headers = {"authorization": f"Bearer {create_api_key(space, 'tests')[1]}"}
        self._client = Client(raise_request_exception=False)

    def sign_in(self, user: User) -> None:
        """Send what follows in a session of this user, without the key."""
        self.headers = {}
        self._client.force_login(user)

    def send_with(self, headers: dict[str, str], method: str, path: str, body: Any = None) -> Answer:
        """Send with these headers beside the key."""
        content = b"" if body is None else json.dumps(body).encode()
        return Answer(self.fetch(method, path, content, **cast("dict[str, Any]", headers)))

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.send_raw(method, path, content, query=query)

    def send_raw(
        self,
        method: str,
        path: str,
        content: bytes,
        content_type: str = "application/json",
        query: dict[str, Any] | None = None,
        **headers: str,
    ) -> Answer:
        return Answer(self.fetch(method, path, content, content_type, query, **headers))

    def fetch(
        self,
        method: str,
        path: str,
        content: bytes,
        content_type: str = "application/json",
        query: dict[str, Any] | None = None,
        **headers: str,
    ) -> HttpResponse:
        """Return the response itself, which need not be JSON."""
        address = path if path.startswith("/") else self.root + path
        given = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        response = self._client.generic(method, address, content, content_type, headers=given, query_params=query)
        if isinstance(response, StreamingHttpResponse):
            return _whole(response)
        assert isinstance(response, HttpResponse)
        return response

    def get(self, path: str, **query: Any) -> Answer:
        return self.send("GET", path, **query)

    def post(self, path: str, body: Any) -> Answer:
        return self.send("POST", path, body)

    def put(self, path: str, body: Any) -> Answer:
        return self.send("PUT", path, body)

    def patch(self, path: str, body: Any) -> Answer:
        return self.send("PATCH", path, body)

    def delete(self, path: str) -> Answer:
        return self.send("DELETE", path)

    def pages(self, path: str, **query: Any) -> Iterator[Answer]:
        """Yield each page of a list, from the first to the last."""
        page = self.get(path, **query)
        yield page
        while link := page.body["next"]:
            page = self.get(link.removeprefix("http://testserver"))
            yield page


def _whole(response: StreamingHttpResponse) -> HttpResponse:
    return HttpResponse(response.getvalue(), status=response.status_code, headers=dict(response.headers))


def make_event(space: Space, **values: Any) -> Event:
    defaults = {"source": "/tests", "event_id": uuid4().hex, "type": "test.ping", "time": timezone.now()}
    return Event.objects.create(space=space, digest=bytes(16), **defaults | values)


def make_alert(space: Space, **values: Any) -> Alert:
    """Make an alert of a rule that is gone."""
    defaults = {"rule_public_id": "gone", "key": uuid4().hex, "group": "high", "state": "recovered"}
    ended = {"since": timezone.now(), "ended_at": timezone.now()}
    return Alert.objects.create(space=space, **defaults | ended | values)


def make_run(rule: Rule, **values: Any) -> RunRecord:
    now = timezone.now()
    defaults = {"number": 1, "started_at": now, "ended_at": now, "duration": 12, "outcome": "succeeded"}
    return RunRecord.objects.create(space=rule.space, rule=rule, **defaults | values)


def make_delivery(action: Action, **values: Any) -> Delivery:
    defaults = {"event_id": 1, "rule_id": f"rule-{uuid4().hex[:8]}", "message": {"body": "hello"}}
    return Delivery.objects.create(
        space_id=action.space_id, action=action, connector_id=action.connector_id, **defaults | values
    )


def make_log_entry(space: Space, **values: Any) -> EventLogEntry:
    return EventLogEntry.objects.create(space=space, **{"action": "execute"} | values)
