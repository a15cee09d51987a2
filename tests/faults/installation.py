"""A running installation with one rule that sends every event to a receiver, as the fault tests and others use it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.http_api import HttpApi
from tests.receiver import Receiver, receiver
from tests.servers import ServerFault, Switchyard, wait_until

# Short leases, so that what a killed worker held is taken over within the patience of a test.
QUICK = {"NETWORK_TIMEOUT": "10", "LEASE_SECONDS": "20", "SWEEP_SECONDS": "1"}


@dataclass
class Wired:
    """The installation, its receiver, and a key to its default space."""

    switchyard: Switchyard
    receiver: Receiver
    token: str

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Call the API of the default space; return the status and the parsed answer."""
        return HttpApi(self.switchyard.url, self.token).call(method, path, body)

    def create(self, path: str, **body: Any) -> None:
        status, answer = self.call("POST", path, body)
        assert status == 201, (status, answer)

    def send(self, *event_ids: str) -> None:
        """Send one event for each id, in one request, which must answer 202."""
        status, answer = self.call("POST", "events", [event(event_id) for event_id in event_ids])
        assert status == 202, (status, answer)
        assert answer["accepted"] == len(event_ids), answer

    def settle(self, within: float = 120.0) -> str:
        """Wait until every accepted event is delivered or dead and all invariants hold; return the report."""
        report = ""

        def settled() -> bool:
            nonlocal report
            try:
                report = self.switchyard.manage("check_invariants", "--settled")
            except ServerFault as fault:
                report = str(fault)
                return False
            return True

        try:
            wait_until(settled, "everything is delivered or dead", within)
        except ServerFault:
            raise AssertionError(f"not settled: {report}\n{self.switchyard.logs()}") from None
        return report

    @property
    def received_ids(self) -> list[str]:
        """The CloudEvents ids that arrived, in the order of arrival."""
        return [json.loads(request.body)["id"] for request in self.receiver.requests]


def event(event_id: str) -> dict[str, Any]:
    return {"specversion": "1.0", "id": event_id, "source": "/tests", "type": "test.ping", "data": {"n": event_id}}


@dataclass(frozen=True)
class Outlet:
    """Where every event goes in place of the receiver: connector type and config, and what the action says."""

    type_id: str
    config: dict[str, Any]
    action: dict[str, Any]


@contextmanager
def wired(directory: Path, *, database_url: str = "", broker_url: str = "", **settings: str) -> Iterator[Wired]:
    """Run an installation that sends every event to a receiver."""
    with wired_to(None, directory, database_url=database_url, broker_url=broker_url, **settings) as installation:
        yield installation


@contextmanager
def wired_to(
    outlet: Outlet | None, directory: Path, *, database_url: str = "", broker_url: str = "", **settings: str
) -> Iterator[Wired]:
    """Run an installation that sends every event to this outlet, or without one to a receiver."""
    with (
        receiver() as running,
        Switchyard(
            directory, database_url=database_url, broker_url=broker_url, settings={**QUICK, **settings}
        ) as switchyard,
    ):
        installation = Wired(switchyard, running, switchyard.api_key())
        outlet = outlet or Outlet("http", {"url": running.url}, {"params": {}})
        installation.create(
            "connectors", id="receiver", name="Receiver", connector_type_id=outlet.type_id, config=outlet.config
        )
        installation.create("actions", id="send", name="Send", connector="receiver", **outlet.action)
        installation.create("rules", id="all", name="All", rule_type_id="event", actions=["send"])
        yield installation
