"""Secrets move to a new key under load: a rotation that is killed half-way loses nothing, and deliveries go on."""

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from connectors.secrets import generate_key, key_id
from tests.faults.installation import Wired, wired
from tests.servers import ROOT, RedisServer, ServerFault, Switchyard, kill, wait_until

pytestmark = pytest.mark.timeout(300)

TOKEN = "S3CR3T-canary-rotated"
FILLERS = 3000
# Many rows in one statement: each sealed by itself, as the services do it.
FILL = f"""
from connectors.models import Connector
from connectors.secrets import Sealed
from spaces.models import Space
model = Connector.objects.get(public_id="before-0")
Connector.objects.bulk_create(
    Connector(space=model.space, public_id=f"many-{{n}}", type="http", name=f"Many {{n}}", config=model.config,
              secrets=Sealed.seal(model.secrets.open()), secrets_set_at=model.secrets_set_at)
    for n in range({FILLERS})
)
"""
KEY_OF = "SELECT substr(secrets, 1, 8), count(*) FROM connectors_connector GROUP BY 1"


@pytest.fixture(params=["server", "embedded"])
def installation(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str, broker: RedisServer
) -> Iterator[Wired]:
    servers: dict[str, Any] = {}
    if request.param == "server":
        servers = {"database_url": database_url, "broker_url": broker.url}
    with wired(tmp_path, **servers) as running:
        yield running


def test_a_rotation_killed_half_way_loses_nothing(installation: Wired) -> None:
    switchyard = installation.switchyard
    old, new = switchyard.environment["SECRETS_KEYS"], generate_key()
    # The first are done before the rotation is killed, the last are not.
    for name in ("before-0", "before-1"):
        guard(installation, name)
    switchyard.manage("shell", "--no-imports", "-c", FILL)
    for name in ("after-0", "after-1"):
        guard(installation, name)
    counts = counter(switchyard)
    sealed = FILLERS + 4
    assert counts(old) == sealed
    change_keys(switchyard, f"{new},{old}")

    with sending(installation) as sent:
        rotation = subprocess.Popen(
            [sys.executable, "manage.py", "rotate_secrets"],
            cwd=ROOT,
            env=switchyard.environment,
            start_new_session=True,
        )
        wait_until(lambda: counts(new) > sealed // 4, "a part is renewed")
        kill(rotation)
        assert sealed // 4 < counts(new) < sealed
        assert counts(new) + counts(old) == sealed
        at_the_kill = len(sent)
        wait_until(lambda: len(sent) > at_the_kill + 100, "events go on half-way")
        again = switchyard.manage("rotate_secrets")
    assert "0 unreadable." in again
    assert (counts(new), counts(old)) == (sealed, 0)
    assert "0 renewed" in switchyard.manage("rotate_secrets")

    change_keys(switchyard, new)
    installation.send("last")
    installation.settle()

    arrived: dict[str | None, set[str]] = {}
    for request in installation.receiver.requests:
        arrived.setdefault(request.headers.get("authorization"), set()).add(json.loads(request.body)["id"])
    names = ("before-0", "before-1", "after-0", "after-1")
    assert arrived == {key: {*sent, "last"} for key in (None, *(f"Bearer {TOKEN}-{name}" for name in names))}
    assert installation.call("GET", "deliveries?state=dead")[1]["results"] == []
    assert TOKEN not in switchyard.logs()


def test_a_lost_key_is_a_bad_config_of_its_connectors_and_no_crash(installation: Wired) -> None:
    switchyard = installation.switchyard
    guard(installation, "guarded")
    lost, other = switchyard.environment["SECRETS_KEYS"], generate_key()

    with pytest.raises(ServerFault, match=f"This database needs the key {key_id(lost)}"):
        change_keys(switchyard, other)
    switchyard.stop()
    assert 'connector "guarded" in the space "default"' in switchyard.manage("rotate_secrets", "--accept-loss")
    change_keys(switchyard, other)
    shown = installation.call("GET", "connectors/guarded")[1]
    assert (shown["status"], shown["status_reason"]) == ("disconnected", "bad_config")
    assert key_id(lost) in shown["status_detail"]

    installation.send("while-lost")
    installation.settle()
    (dead,) = installation.call("GET", "deliveries?state=dead")[1]["results"]
    assert (dead["connector"], dead["last_reason"]) == ("guarded", "bad_config")
    assert installation.received_ids == ["while-lost"]  # through the connector that has no secrets

    status, _ = installation.call("PATCH", "connectors/guarded", {"secrets": {"token": "again"}})
    assert status == 200
    installation.send("repaired")
    installation.settle()
    assert installation.received_ids.count("repaired") == 2
    assert "Bearer again" in {request.headers.get("authorization") for request in installation.receiver.requests}
    processes = (switchyard.web, switchyard.beat, *switchyard.workers)
    assert all(process is not None and process.poll() is None for process in processes)
    assert f"SECRETS_KEYS lacks the key {key_id(lost)}" in switchyard.logs()
    assert "Traceback" not in switchyard.logs()


def guard(installation: Wired, name: str) -> None:
    """Let every event also go through a connector with a secret of its own."""
    config = {"url": installation.receiver.url, "auth": "bearer"}
    secrets = {"token": f"{TOKEN}-{name}"}
    installation.create("connectors", id=name, name=name, connector_type_id="http", config=config, secrets=secrets)
    installation.create("actions", id=name, name=name, connector=name, params={})
    installation.create("rules", id=name, name=name, rule_type_id="event", actions=[name])


def change_keys(switchyard: Switchyard, keys: str) -> None:
    """Start everything anew with these keys."""
    switchyard.stop()
    switchyard.environment["SECRETS_KEYS"] = keys
    switchyard.start_web()
    switchyard.start_worker()
    switchyard.start_beat()


@contextmanager
def sending(installation: Wired) -> Iterator[list[str]]:
    """Send events, 20 at a time, while the block runs; the list has the ids of those that were accepted."""
    accepted: list[str] = []
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            event_ids = [f"during-{len(accepted) + number}" for number in range(20)]
            installation.send(*event_ids)
            accepted.extend(event_ids)

    with ThreadPoolExecutor(1) as pool:
        sender = pool.submit(send)
        try:
            yield accepted
        finally:
            stop.set()
        sender.result()


def counter(switchyard: Switchyard) -> Callable[[str], int]:
    """Return a function that counts the connectors whose secrets are under a key."""
    database_url = switchyard.environment["DATABASE_URL"]

    def count(key: str) -> int:
        return found().get(key_id(key), 0)

    def found() -> dict[str, int]:
        if database_url:
            with psycopg.connect(database_url) as connection:
                return as_text(connection.execute(KEY_OF).fetchall())
        with closing(sqlite3.connect(switchyard.directory / "var" / "switchyard.sqlite3", timeout=30)) as file:
            return as_text(file.execute(KEY_OF).fetchall())

    return count


def as_text(rows: list[tuple[bytes | None, int]]) -> dict[str, int]:
    return {(key or b"").decode(): count for key, count in rows}
