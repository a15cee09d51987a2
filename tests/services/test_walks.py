"""The walks in docs/walks run as they are written, and what they entrust to the installation is nowhere to be found."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.types.slack.receiver import TOKEN, slack
from tests.receiver import Receiver, receiver
from tests.servers import ROOT, RedisServer, Switchyard, postgresql_binary
from tests.vendors import Vendor, vendor

CANARY = "S3CR3T-canary-walk-71d0"


@pytest.fixture
def to() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def walk(name: str, switchyard: Switchyard, to: Receiver | Vendor, **more: str) -> str:
    """Run a walk in two spaces, with ``more`` in its environment; return all that it printed."""
    assert shutil.which("curl"), "The walks need curl. Debian: apt-get install curl."
    make = "from spaces.services import create_space; create_space('elsewhere', 'Elsewhere')"
    switchyard.manage("shell", "--no-imports", "-c", make)
    environment = {
        **os.environ,
        "URL": switchyard.url,
        "SPACE": "default",
        "KEY": switchyard.api_key(),
        "OTHER_SPACE": "elsewhere",
        "OTHER_KEY": switchyard.api_key("elsewhere"),
        "RECEIVER": to.url,
        "SECRET": CANARY,
        **more,
    }
    done = subprocess.run(
        ["bash", f"docs/walks/{name}.sh"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{switchyard.logs()}"
    return done.stdout


def assert_nowhere(directory: Path, *texts: str) -> None:
    """Prove that the canary is in none of these texts and in no file of the installation."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert files
    assert [str(path) for path in files if CANARY.encode() in path.read_bytes()] == []
    assert [text for text in texts if CANARY in text] == []


@pytest.mark.timeout(300)
def test_from_a_key_to_a_list_a_stale_change_and_a_creation_that_is_repeated(tmp_path: Path, to: Receiver) -> None:
    with Switchyard(tmp_path) as switchyard:
        assert "The walk is done." in walk("api-contract", switchyard, to)


@pytest.mark.timeout(300)
def test_a_slack_connector_is_made_tested_and_sent_through(tmp_path: Path) -> None:
    with vendor(slack) as running, Switchyard(tmp_path) as switchyard:
        more = {"SLACK": f"{running.url}/api", "TOKEN": TOKEN, "CHANNEL": "C123ABC456"}
        assert "The walk is done." in walk("chat", switchyard, running, **more)
    posted = [call.json["text"] for call in running.calls if call.path == "/api/chat.postMessage"]
    assert posted == ["*Too hot* at &lt;!channel&gt; \u200b*Berlin*\u200b", "Hot"]


@pytest.mark.timeout(300)
def test_the_life_of_a_connector_leaves_no_secret_behind_in_the_embedded_shape(tmp_path: Path, to: Receiver) -> None:
    with Switchyard(tmp_path, settings={"LOG_LEVEL": "DEBUG"}) as switchyard:
        printed = walk("connector-life", switchyard, to)
        dumped = switchyard.manage("dumpdata")
    assert f"Bearer {CANARY}" in {request.headers.get("authorization") for request in to.requests}
    assert_nowhere(tmp_path, printed, dumped)


@pytest.mark.timeout(300)
def test_the_life_of_a_connector_leaves_no_secret_behind_on_servers(
    tmp_path: Path, to: Receiver, database_url: str, broker: RedisServer
) -> None:
    settings = {"LOG_LEVEL": "DEBUG", "DEBUG": "true"}
    with Switchyard(tmp_path, database_url=database_url, broker_url=broker.url, settings=settings) as switchyard:
        printed = walk("connector-life", switchyard, to)
        dump = [str(postgresql_binary("pg_dump")), "--inserts", database_url]
        dumped = subprocess.run(dump, capture_output=True, text=True, check=True).stdout
    assert "walk-desk" in dumped
    assert_nowhere(tmp_path, printed, dumped)
