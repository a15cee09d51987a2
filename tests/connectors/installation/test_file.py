"""What is wrong in CONNECTORS_FILE is a system check with line and key, and tells no secret."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from connectors.installation.reading import installation_file

Write = Callable[[str | bytes], None]

CANARY = "canary-5ecret"


@pytest.fixture
def write(tmp_path: Path, settings: Settings) -> Write:
    def write_file(text: str | bytes) -> None:
        path = tmp_path / "connectors.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        settings.CONNECTORS_FILE = str(path)

    return write_file


def problems() -> list[str]:
    return [error.msg for error in run_checks() if error.id == "switchyard.CONNECTORS_FILE"]


HTTP = """
connectors:
  - id: desk
    type: http
    name: Desk
    config:
      url: https://desk.example/hook
"""


@pytest.mark.parametrize("text", ["", "# nothing\n", "network: {}\n", "connectors: []\n", HTTP])
def test_a_good_file_has_no_problems(write: Write, text: str) -> None:
    write(text)
    assert problems() == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("conectors: []\n", "line 1, conectors: There is no such field."),
        ("connectors:\n  desk: {}\n", "line 1, connectors: Give a list."),
        (HTTP + "      timeout: soon\n", "line 8, connectors[0].config.timeout: "),
        (HTTP + "      verb: POST\n", "line 8, connectors[0].config.verb: There is no such field."),
        (HTTP.replace("https://", "ftp://"), "line 7, connectors[0].config.url: "),
        (HTTP.replace("https://desk.example", "http://169.254.169.254"), "line 7, connectors[0].config.url: "),
        (HTTP.replace("type: http", "type: pigeon"), "line 4, connectors[0].type: There is no connector type"),
        (HTTP.replace("id: desk", "id: ../desk"), "line 3, connectors[0].id: "),
        (HTTP.replace("    name: Desk\n", ""), "line 3, connectors[0].name: This field is required."),
        (HTTP + HTTP.partition("connectors:\n")[2], 'connectors[1].id: The ID "desk" stands in this file twice.'),
        (HTTP + "      auth: bearer\n", "connectors[0].secrets.token: The config needs this secret."),
        (HTTP + "    secrets:\n      tokn: x\n", "line 9, connectors[0].secrets.tokn: There is no such field."),
        (HTTP + "    secrets:\n      token: env:NO_SUCH\n", "line 9, connectors[0].secrets.token: The environment has"),
        (HTTP + "    secrets:\n      token: file:no/such\n", "line 9, connectors[0].secrets.token: "),
        (HTTP + "    secrets:\n      token: 5\n", "line 9, connectors[0].secrets.token: "),
        (HTTP + "    secrets:\n      former_signing_secrets: x\n", "There is no such field."),
        ("network:\n  allowed_private: [10.1.0.0/99]\n", "line 2, network.allowed_private"),
        ("network:\n  allowed_hosts: ['*example.com']\n", "line 2, network.allowed_hosts"),
        ("network:\n  timeout: 0\n", "line 2, network.timeout"),
        ("network:\n  timeout: 4000\n", "line 2, network.timeout"),
        ("network:\n  proxy: {url: 'socks5://p:1'}\n", "line 2, network.proxy.url"),
        ("network:\n  proxy: {url: 'http://user:pw@p:1'}\n", "line 2, network.proxy.url"),
        ("network:\n  proxy: {url: 'http://p'}\n", "line 2, network.proxy.url: Write the port"),
        ("network:\n  proxy: {url: 'http://p:1', bypass: [a], only: [b]}\n", "line 2, network.proxy.only: Use bypass"),
        ("network:\n  proxy: {url: 'http://p:1', headers: {Host: a}}\n", "line 2, network.proxy.headers"),
        ("network:\n  hosts:\n    - host: a\n    - host: a\n", "line 2, network.hosts: a stands here twice."),
        ("network:\n  hosts:\n    - host: a:0\n", "line 3, network.hosts[0].host"),
        ("network:\n  hosts:\n    - host: a\n      tls: {verify: no}\n", "line 4, network.hosts[0].tls.verify"),
        ("network:\n  hosts:\n    - host: a\n      tls: {ca: x}\n", "line 4, network.hosts[0].tls.ca: This is not a"),
        ("network:\n  hosts:\n    - host: a\n      tls: {client_key: x}\n", "tls.client_key: A key needs"),
        ("a: &b 1\n", "line 1: Anchors"),
        (b"a: \xff\n", "not text in UTF-8"),
        ("a: 1\n  b: 2\n", "line 2: "),
    ],
)
def test_a_wrong_file_is_a_check_with_line_and_key(write: Write, text: str | bytes, expected: str) -> None:
    write(text)
    (problem, *_) = problems()
    assert expected in problem
    assert problem.startswith("CONNECTORS_FILE, ")


def test_a_file_that_is_not_there_is_a_check(settings: Settings, tmp_path: Path) -> None:
    settings.CONNECTORS_FILE = str(tmp_path / "none.yaml")
    assert problems() == [f"CONNECTORS_FILE, the file: {tmp_path / 'none.yaml'}: No such file or directory."]


def test_every_problem_is_told_at_once(write: Write) -> None:
    write(HTTP.replace("http\n", "pigeon\n") + HTTP.partition("connectors:\n")[2].replace("desk", "DESK ", 1))
    assert len(problems()) == 2


def test_no_problem_tells_a_secret(write: Write) -> None:
    write(
        HTTP
        + f"      auth: bearer\n    secrets:\n      token: 'value:{CANARY}\\n'\n      signing_secret: {CANARY}\n"
        + f"network:\n  proxy: {{url: 'http://p:1', password: [{CANARY}]}}\n"
    )
    found = problems()
    assert found
    assert not any(CANARY in problem for problem in found)
    assert CANARY not in repr(installation_file())


def test_secrets_come_by_value_from_the_environment_or_from_a_file(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_TOKEN", "from-env")
    (tmp_path / "key").write_text("from-file\n")
    write(
        HTTP + "    secrets:\n      token: env:DESK_TOKEN\n      api_key: file:key\n"
        "      password: plain:text\n      client_secret: value:env:DESK_TOKEN\n"
    )
    (section,) = installation_file().connectors
    assert {name: value.get_secret_value() for name, value in section.secrets.items()} == {
        "token": "from-env",
        "api_key": "from-file",
        "password": "plain:text",
        "client_secret": "env:DESK_TOKEN",
    }
    assert problems() == []


def test_a_lease_outlives_the_slowest_host(write: Write, settings: Settings) -> None:
    write("network:\n  hosts: [{host: slow.example, timeout: 200}]\n")
    settings.LEASE_SECONDS = 90
    assert "switchyard.LEASE_SECONDS" in {error.id for error in run_checks()}
