"""Walks through running installations, and writes down what is asked, what is answered and what arrives."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from connectors.types.masking import MASK, Masker
from tests import started
from tests.http_api import HttpApi
from tests.servers import ServerFault, Switchyard, wait_until
from tests.services.transcripts.declared import TEXT, Arrival, Destination, Step, Surroundings
from tests.services.transcripts.found import Found

WITHIN: Final = 30.0  # a deadline, not a wait
_ENDED: Final = {"delivered", "dead", "cancelled"}
# What an answer is cut down to.
_SHOWN: Final = {
    "connectors": ("id", "connector_type_id", "is_missing_secrets"),
    "actions": ("id", "connector"),
    "rules": ("id", "actions"),
    "events": ("id", "status"),
    "deliveries": ("id", "state", "attempts", "last_reason"),
    "event-log": ("action", "outcome", "reason", "message"),
}
_SETTINGS: Final = {"API_RATE": "0", "SWEEP_SECONDS": "1"}

Write = Callable[[str], object]


class WalkFailed(Exception):
    """Something was answered, or came, otherwise than declared."""


@dataclass(frozen=True)
class Told:
    """A step that was walked, what came to the destination in it, and what must not be seen of that."""

    found: Found
    step: Step
    arrivals: Sequence[Arrival]
    secrets: Collection[str]


def transcribe(walks: Iterable[Found], around: Surroundings, write: Write) -> list[Told]:
    """Walk them all through one installation; raise WalkFailed for what does not go as declared."""
    with ExitStack() as stack:
        places = [(found, stack.enter_context(found.walk.destination(around))) for found in walks]
        settings = {**_SETTINGS, **_network(around.directory, [place for _, place in places])}
        switchyard = stack.enter_context(Switchyard(around.directory, settings=settings))
        api = HttpApi(switchyard.url, switchyard.api_key())
        write("Switchyard in its embedded shape: web, worker and scheduler as processes of their own.")
        write(f"Real servers: {', '.join(started.started()) or 'none'}.")
        write(f"Each event says: {json.dumps(TEXT)}")
        told, family = [], ""
        for found, place in places:
            if found.family != family:
                family = found.family
                write(f"\n\n======== {family}")
            try:
                told += _Walker(found, place, api, write).walk()
            except (WalkFailed, ServerFault) as fault:
                raise WalkFailed(f"{found.type.id}: {fault}\n{switchyard.logs()}") from fault
        return told


def _network(directory: Path, places: Sequence[Destination]) -> dict[str, str]:
    """Return the settings under which each destination is reached as it must be."""
    proxied = [place for place in places if place.proxy]
    if not proxied:
        return {}
    (place,) = proxied
    path = directory / "connectors.yaml"
    path.write_text(yaml.safe_dump({"network": {"proxy": {"url": place.proxy.rstrip("/"), "only": [*place.hosts]}}}))
    return {"CONNECTORS_FILE": str(path)}


class _Walker:
    def __init__(self, found: Found, place: Destination, api: HttpApi, write: Write) -> None:
        self._found, self._type, self._place, self._api, self._write = found, found.type, place, api, write
        self._id = found.type.id.replace("_", "-")
        self._source = f"/ovens/{self._id}"
        self._masker = Masker([api.token, *place.secrets.values(), *found.walk.keys])
        self._seen = len(place.arrivals())

    def walk(self) -> list[Told]:
        self._say(f"\n==== {self._type.name} ({self._type.id}). The destination: {self._place.about}.")
        self._make_the_connector()
        self._test_it()
        return [self._take(number, step) for number, step in enumerate(self._found.walk.steps, 1)]

    def _make_the_connector(self) -> None:
        self._say("\n== A connector, and its test")
        body = {
            "id": self._id,
            "connector_type_id": self._type.id,
            "name": self._type.name,
            "config": self._place.config,
            # No health check asks the destination meanwhile.
            "health_interval": 0,
        }
        self._ask("POST", "connectors", {**body, "secrets": self._place.secrets} if self._place.secrets else body)

    def _test_it(self) -> None:
        path = f"connectors/{self._id}/probe"
        self._say(f"> POST {path}")
        status, answer = self._api.call("POST", path)
        self._say(f"< {status} {answer.get('outcome')}")
        for step in answer.get("steps", ()):
            self._say(f"    {step['name']:<13}{step['outcome']:<8}{step['detail']}")
        if answer.get("outcome") != "passed":
            raise self._failed(f"The test did not pass: {answer}")
        for arrival in self._new():
            self._say(f"  {self._type.name} was asked: {arrival.line}")

    def _take(self, number: int, step: Step) -> Told:
        name = f"{self._id}-{number}"
        self._say(f"\n== {step.title}")
        self._ask(
            "POST", "actions", {"id": name, "name": step.title, "connector": self._id, "params": dict(step.params)}
        )
        watched = {"event_types": [step.event_type], "sources": [self._source]}
        rule = {"id": name, "name": step.title, "rule_type_id": "event", "params": watched, "actions": [name]}
        self._ask("POST", "rules", rule)
        event = {"specversion": "1.0", "id": name, "source": self._source, "type": step.event_type}
        accepted = self._ask("POST", "events", {**event, "data": {"oven": 7, "text": TEXT}})
        self._wait_for_the_delivery(accepted["id"])
        # What the event says comes with the first step of each walk.
        parts = (self._found.walk.escaped, *step.arrives) if number == 1 else step.arrives
        return Told(self._found, step, self._wait_for_all_of(parts), self._place.secrets.values())

    def _wait_for_the_delivery(self, event: int) -> None:
        path = f"deliveries?event={event}"
        found: dict[str, Any] = {}

        def has_ended() -> bool:
            answer = self._api.call("GET", path)[1]
            found.update(answer["results"][0] if answer["results"] else {})
            return found.get("state", "") in _ENDED

        wait_until(has_ended, f"the delivery of event {event} ends", WITHIN)
        self._say(f"> GET {path}\n< 200 {_short(found, 'deliveries')}")
        log = f"event-log?delivery={found['id']}"
        status, answer = self._api.call("GET", log)
        self._say(f"> GET {log}\n< {status}")
        for entry in answer["results"]:
            self._say(f"    {_short(entry, 'event-log')}")
        if found["state"] != "delivered":
            raise self._failed(f"The delivery is {found}")

    def _wait_for_all_of(self, parts: Sequence[str]) -> list[Arrival]:
        arrivals: list[Arrival] = []

        def are_there() -> bool:
            arrivals.extend(self._new())
            came = "\n".join(f"{arrival.line}\n{arrival.headers}\n{arrival.body}" for arrival in arrivals)
            return all(part in came for part in parts)

        try:
            wait_until(are_there, f"{parts} in what comes", WITHIN)
        except ServerFault as fault:
            raise self._failed(f"{fault} What came: {arrivals}") from None
        self._say(f"{self._type.name} received:")
        for arrival in arrivals:
            self._show(arrival)
        return arrivals

    def _show(self, arrival: Arrival) -> None:
        self._say(f"    {arrival.line}")
        for name, value in arrival.headers.items():
            self._say(f"    {name}: {_without_credentials(name, value)}")
        for line in arrival.body.rstrip("\n").split("\n") if arrival.body else ():
            self._say(f"      {line}")

    def _ask(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self._say(f"> {method} {path} {json.dumps(_for_reading(body), ensure_ascii=False)}")
        status, answer = self._api.call(method, path, body)
        if status not in (201, 202):
            raise self._failed(f"{method} {path} answered {status}: {answer}")
        self._say(f"< {status} {_short(answer, path)}")
        assert isinstance(answer, dict)
        return answer

    def _new(self) -> list[Arrival]:
        """Return what has come since the last time."""
        new = list(self._place.arrivals())[self._seen :]
        self._seen += len(new)
        return new

    def _failed(self, text: str) -> WalkFailed:
        return WalkFailed(self._masker.mask(text))

    def _say(self, text: str) -> None:
        self._write(self._masker.mask(text))


def _short(answer: Mapping[str, Any], path: str) -> str:
    return json.dumps({name: answer[name] for name in _SHOWN[path] if name in answer}, ensure_ascii=False)


def _for_reading(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body without its secrets, and without certificates, which say nothing to a reader."""
    shown = dict(body)
    if "secrets" in shown:
        shown["secrets"] = dict.fromkeys(shown["secrets"], MASK)
    if "config" in shown:
        shown["config"] = {
            name: "…PEM…" if "-----BEGIN" in str(value) else value for name, value in shown["config"].items()
        }
    return shown


def _without_credentials(name: str, value: str) -> str:
    return f"{value.partition(' ')[0]} {MASK}" if name == "authorization" else value
