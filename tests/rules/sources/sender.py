"""A sender of events over HTTP, and what it sends and gets."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.test import Client

from rules.models import Event
from spaces.models import Space
from spaces.services import create_api_key

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse

ENVELOPE = {"specversion": "1.0", "id": "A-1", "source": "/mycontext", "type": "com.example.someevent"}
CLOUDEVENT = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LINES = "application/x-ndjson"
BINARY = {"ce-specversion": "1.0", "ce-id": "B-1", "ce-source": "/s", "ce-type": "t"}
NOTHING: Mapping[str, str] = {}


class Sender:
    """Posts to a space with its key."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.client = Client(raise_request_exception=True)
        self.headers: dict[str, str] = {"authorization": f"Bearer {create_api_key(space, 'tests')[1]}"}
        self.address = f"/api/v1/spaces/{space.slug}/events"

    def post(
        self,
        body: object,
        content_type: str = "application/json",
        query: str = "",
        headers: Mapping[str, str] = NOTHING,
        environ: Mapping[str, Any] = NOTHING,
    ) -> "Answer":
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {**self.headers, **headers}
        given_environ = {"CONTENT_TYPE": content_type, **environ}
        return Answer(self.client.generic("POST", self.address + query, data, headers=given, **given_environ))


class Answer:
    """A response, proven to be JSON, and a problem unless the events were taken."""

    def __init__(self, response: "_MonkeyPatchedWSGIResponse") -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.body: Any = json.loads(response.content)
        if self.status not in {200, 202}:
            assert response["Content-Type"] == "application/problem+json"
            assert self.body["status"] == self.status

    @property
    def place(self) -> str:
        (error,) = self.body["errors"]
        return str(error["pointer"])


def stored() -> list[str]:
    """Return the CloudEvents ids of what is stored, in order."""
    return list(Event.objects.order_by("id").values_list("event_id", flat=True))


def envelope(event_id: object, **members: object) -> dict[str, object]:
    """Return a CloudEvent as JSON."""
    return ENVELOPE | {"id": event_id} | members
