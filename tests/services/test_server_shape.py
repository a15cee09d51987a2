"""The shape with servers: PostgreSQL and Redis, several workers, set up by whoever comes first."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from connectors.secrets import generate_key
from tests.servers import ROOT, RedisServer, Switchyard


@pytest.mark.timeout(300)
def test_an_installation_starts_on_servers_and_writes_nothing_beside_them(
    tmp_path: Path, database_url: str, broker: RedisServer
) -> None:
    with Switchyard(tmp_path, database_url=database_url, broker_url=broker.url, workers=2) as switchyard:
        assert switchyard.api_key().startswith("sy_")
    assert not (tmp_path / "var").exists()


@pytest.mark.timeout(300)
def test_set_ups_at_the_same_moment_make_one_user_and_one_key(database_url: str, broker: RedisServer) -> None:
    environment = {
        "DATABASE_URL": database_url,
        "BROKER_URL": broker.url,
        "SECRET_KEY": generate_key(),
        "SECRETS_KEYS": generate_key(),
        "DJANGO_SETTINGS_MODULE": "connectors_project.settings",
    }

    def set_up(_: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", "bootstrap"]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(set_up, range(3)))
    assert [process.returncode for process in done] == [0, 0, 0], [process.stderr for process in done]
    assert sum("Password" in process.stdout for process in done) == 1
    with psycopg.connect(database_url) as connection:
        users = connection.execute("SELECT count(*) FROM auth_user").fetchone()
        keys = connection.execute("SELECT count(*) FROM spaces_apikey").fetchone()
    assert (users, keys) == ((1,), (1,))
