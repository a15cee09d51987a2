"""Secrets move to a new key under load: a rotation that is killed half-way loses nothing, and deliveries go on."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from connectors.secrets import generate_key, key_id
from tests.faults.installation import Wired, wired
from tests.servers import ROOT, RedisServer, Switchyard, kill, wait_until

CONNECTORS = 3000
TOKEN = "S3CR3T-canary-rotated"
# Many rows in one statement: each sealed by itself, as the services do it.
MAKE = f"""
from connectors.models import Connector
from connectors.services import create_connector
from connectors.secrets import Sealed
from spaces.models import Space
space = Space.objects.get(slug="default")
config = {{"url": "https://receiver.example/", "auth": "bearer"}}
first = create_connector(space, type="http", name="First", config=config, secrets={{"token": "x"}}, health_interval=0)
Connector.objects.bulk_create(
    Connector(space=space, public_id=f"many-{{n}}", type="http", name=f"Many {{n}}", config=first.config,
              secrets=Sealed.seal(first.secrets.open()), secrets_set_at=first.secrets_set_at)
    for n in range({CONNECTORS - 2})
)
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("shape", ["server", "embedded"])
def test_a_rotation_killed_half_way_loses_nothing(
    shape: str, tmp_path: Path, database_url: str, broker: RedisServer
) -> None:
    old, new = generate_key(), generate_key()
    servers = {"database_url": database_url, "broker_url": broker.url} if shape == "server" else {}
    with wired(tmp_path, **servers, SECRETS_KEYS=old) as installation:
        switchyard = installation.switchyard
        guard(installation)
        switchyard.manage("shell", "--no-imports", "-c", MAKE)
        renewed = counter(shape, tmp_path, database_url, key_id(new))
        change_keys(switchyard, f"{new},{old}")

        with sending(installation) as sent:
            rotation = subprocess.Popen(
                [sys.executable, "manage.py", "rotate_secrets"],
                cwd=ROOT,
                env=switchyard.environment,
                start_new_session=True,
            )
            wait_until(lambda: renewed() > CONNECTORS // 4, "a part is renewed")
            kill(rotation)
            half_way = renewed()
            assert CONNECTORS // 4 < half_way < CONNECTORS
            again = switchyard.manage("rotate_secrets")
        assert "0 unreadable." in again
        assert renewed() == CONNECTORS
        assert "0 renewed" in switchyard.manage("rotate_secrets")

        change_keys(switchyard, new)
        installation.send("last")
        installation.settle()

    assert set(installation.received_ids) == {*sent, "last"}
    authorizations = {request.headers.get("authorization") for request in installation.receiver.requests}
    assert authorizations == {None, f"Bearer {TOKEN}"}  # of the two connectors that every event goes through
    assert TOKEN not in switchyard.logs()


def guard(installation: Wired) -> None:
    """Let every event also go through a connector with a secret."""
    config = {"url": installation.receiver.url, "auth": "bearer"}
    installation.create(
        "connectors", id="guarded", name="Guarded", connector_type_id="http", config=config, secrets={"token": TOKEN}
    )
    installation.create("actions", id="guarded", name="Guarded", connector="guarded", params={})
    installation.create("rules", id="guarded", name="Guarded", rule_type_id="event", actions=["guarded"])


def change_keys(switchyard: Switchyard, keys: str) -> None:
    """Start everything anew with these keys."""
    switchyard.stop()
    switchyard.environment["SECRETS_KEYS"] = keys
    switchyard.start_web()
    switchyard.start_worker()
    switchyard.start_beat()


@contextmanager
def sending(installation: Wired) -> Iterator[list[str]]:
    """Send events one after another while the block runs; the list has the ids of those that were accepted."""
    accepted: list[str] = []
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            event_id = f"during-{len(accepted)}"
            installation.send(event_id)
            accepted.append(event_id)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield accepted
    finally:
        stop.set()
        thread.join()


def counter(shape: str, directory: Path, database_url: str, key: str) -> Callable[[], int]:
    """Return a function that counts the connectors whose secrets are under this key."""

    def on_postgresql() -> int:
        with psycopg.connect(database_url) as connection:
            found = connection.execute(
                "SELECT count(*) FROM connectors_connector WHERE substring(secrets, 1, 8) = %s", [key.encode()]
            ).fetchone()
        return int(found[0]) if found else 0

    def on_sqlite() -> int:
        with closing(sqlite3.connect(directory / "var" / "switchyard.sqlite3", timeout=30)) as connection:
            found = connection.execute(
                "SELECT count(*) FROM connectors_connector WHERE substr(secrets, 1, 8) = ?", [key.encode()]
            ).fetchone()
        return int(found[0])

    return on_postgresql if shape == "server" else on_sqlite
