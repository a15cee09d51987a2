"""An ordering key keeps its order whatever is killed, over worker processes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.installation import Wired, event, wired
from tests.servers import RedisServer, kill

pytestmark = pytest.mark.timeout(300)

DEVICES = 5


@pytest.fixture
def installation(tmp_path: Path, database_url: str, broker: RedisServer) -> Iterator[Wired]:
    with wired(tmp_path, database_url=database_url, broker_url=broker.url) as running:
        status, answer = running.call("PATCH", "actions/send", {"ordering_key": "{{ event.data.device }}"})
        assert status == 200, answer
        yield running


def numbered(device: int, number: int) -> dict[str, Any]:
    return {**event(f"{device}-{number}"), "data": {"device": f"d{device}", "number": number}}


def send(installation: Wired, *events: dict[str, Any]) -> None:
    status, answer = installation.call("POST", "events", list(events))
    assert status == 202, answer


def arrived(installation: Wired, device: int) -> list[int]:
    data = [json.loads(request.body)["data"] for request in installation.receiver.requests]
    return [each["number"] for each in data if each["device"] == f"d{device}"]


def test_a_follower_waits_until_the_lease_of_its_killed_head_has_ended(installation: Wired) -> None:
    installation.receiver.hold = True
    send(installation, *(numbered(0, number) for number in range(3)))
    installation.receiver.wait_for(1)
    (worker,) = installation.switchyard.workers
    kill(worker)
    installation.switchyard.workers.clear()
    installation.receiver.hold = False
    installation.receiver.release.set()
    installation.switchyard.start_worker()
    installation.switchyard.start_worker()
    send(installation, numbered(1, 0))
    installation.receiver.wait_for(2)
    assert arrived(installation, 0) == [0]
    status, waiting = installation.call("GET", "deliveries?state=pending")
    assert status == 200
    assert [each["due_at"] for each in waiting["results"]] == [None, None]

    installation.settle()

    # The head came again once its lease had ended, and only then the others, in their order.
    assert arrived(installation, 0) == [0, 0, 1, 2]
    log = installation.call("GET", "event-log?outcome=unknown")[1]["results"]
    assert [entry["reason"] for entry in log] == ["lost_lease"]


def test_two_workers_of_which_one_is_killed_keep_every_order(installation: Wired) -> None:
    installation.switchyard.start_worker()
    send(installation, *(numbered(device, number) for number in range(40) for device in range(DEVICES)))
    installation.receiver.wait_for(50)
    kill(installation.switchyard.workers.pop(0))

    installation.settle()

    for device in range(DEVICES):
        numbers = arrived(installation, device)
        # What was under way when its worker was killed came twice, side by side; nothing overtook it.
        assert sorted(set(numbers)) == list(range(40))
        assert numbers == sorted(numbers)
        assert len(numbers) <= 41
