"""A real worker runs the rules that run by themselves, and one that is killed costs no alert and doubles none."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.installation import Wired, wired
from tests.servers import kill, wait_until

pytestmark = pytest.mark.timeout(300)

PARAMS = {"event_types": ["test.*"], "seconds": 10}


def told(installation: Wired) -> list[str]:
    bodies: list[Any] = [json.loads(request.body) for request in installation.receiver.requests]
    return [body["change"] for body in bodies if "change" in body]


def test_silence_is_told_of_once_and_its_end_too_though_workers_are_killed(tmp_path: Path) -> None:
    with wired(tmp_path) as installation:
        template = {"body": {"change": "{{ alert.change }}", "key": "{{ alert.key }}"}}
        installation.create("actions", id="tell", name="Tell", connector="receiver", params=template)
        links = ["tell", {"id": "tell", "group": "recovered"}]
        installation.create(
            "rules", id="silence", name="Silence", rule_type_id="absence", params=PARAMS, interval=10, actions=links
        )
        wait_until(lambda: told(installation) == ["opened"], "the silence is told of", 90)
        (worker,) = installation.switchyard.workers
        kill(worker)
        installation.switchyard.workers.clear()
        installation.switchyard.start_worker()
        installation.send("e1")
        wait_until(lambda: told(installation) == ["opened", "recovered"], "its end is told of", 120)
        found = installation.call("GET", "alerts")[1]["results"]
        assert [(each["rule"], each["key"], each["state"]) for each in found if each["change"] == 2] == [
            ("silence", "events", "recovered")
        ]
        installation.settle()
