"""A setting that cannot be used is told by name before a process serves, and never shows its value."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import environ
import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from connectors.secrets import generate_key
from connectors_project.management.commands.options import options_table
from connectors_project.options import OPTIONS, check_var_dir, keep_in_file, kept_keys, read_options
from tests.servers import ROOT

CANARY = "canary-hunter2-canary-hunter2-canary"


def problems(monkeypatch: pytest.MonkeyPatch, **given: str) -> dict[str, str]:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return {problem.option: problem.message for problem in read_options(environ.Env())[1]}


def check_in_a_process(**given: str) -> subprocess.CompletedProcess[str]:
    names = {option.name for option in OPTIONS} | {f"{option.name}_FILE" for option in OPTIONS}
    environment = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**environment, "DJANGO_SETTINGS_MODULE": "connectors_project.settings", **given},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "eighty", "write a whole number from 1 to 65535"),
        ("PORT", "70000", "write a whole number from 1 to 65535"),
        ("WEB_THREADS", "-1", "write a whole number from 1 to 512"),
        ("NETWORK_ALLOWED_PRIVATE", "10.0.0.0/99", "10.0.0.0/99"),
        ("NETWORK_ALLOWED_PRIVATE", "10.0.0.1/8", "host bits"),
        ("DEBUG", "maybe", "write true or false"),
        ("LOG_LEVEL", "LOUD", "write DEBUG, INFO, WARNING or ERROR"),
        ("EMAIL_ALLOWED_RECIPIENTS", "a b", "neither a domain nor an address"),
    ],
)
def test_a_value_of_the_wrong_form_is_named_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    found = problems(monkeypatch, **{name: value})
    assert words in found[name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRETS_KEYS", CANARY),
        ("SECRETS_KEYS", f"{'A' * 43}=,{CANARY}"),
        ("DATABASE_URL", CANARY),
        ("DATABASE_URL", f"mysql://root:{CANARY}@db/x"),
        ("DATABASE_URL", f"postgres://root:{CANARY}@db:port/x"),
        ("DATABASE_URL", f"postgres://root:{CANARY}@[db/x"),
        ("BROKER_URL", f"ftp://root:{CANARY}@broker"),
        ("BROKER_URL", f"redis:{CANARY}"),
    ],
)
def test_a_secret_of_the_wrong_form_is_named_but_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    found = problems(monkeypatch, **{name: value})
    assert found == {name: f"{name} cannot be used: the value has the wrong form."}


def test_a_secret_is_read_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{CANARY}\n")
    monkeypatch.setenv("SECRET_KEY_FILE", str(file))
    values, found = read_options(environ.Env())
    assert (values["SECRET_KEY"], found) == (CANARY, [])


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "missing"
    found = problems(monkeypatch, SECRET_KEY_FILE=str(file))
    assert found == {"SECRET_KEY": f"SECRET_KEY cannot be used: {file}: No such file or directory."}


def test_every_default_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for option in OPTIONS:
        monkeypatch.delenv(option.name, raising=False)
    assert read_options(environ.Env())[1] == []


def test_a_state_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (problem,) = check_var_dir(tmp_path / "file" / "var")
    assert problem.message == f"VAR_DIR cannot be used: {tmp_path}/file/var: Not a directory."


def test_a_lease_shorter_than_a_request_is_refused(settings: Settings) -> None:
    settings.NETWORK_TIMEOUT, settings.LEASE_SECONDS = 60, 65
    (error,) = run_checks()
    assert error.id == "switchyard.LEASE_SECONDS"
    settings.LEASE_SECONDS = 66
    assert run_checks() == []


def test_servers_without_keys_do_not_start(tmp_path: Path) -> None:
    done = check_in_a_process(DATABASE_URL="postgres://db/x", BROKER_URL="redis://broker", VAR_DIR=str(tmp_path / "v"))
    assert done.returncode == 1
    assert "switchyard.SECRET_KEY" in done.stderr
    assert "switchyard.SECRETS_KEYS" in done.stderr
    assert not (tmp_path / "v").exists()


def test_a_start_with_nothing_usable_tells_all_of_it_and_shows_no_secret(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = check_in_a_process(
        VAR_DIR=str(tmp_path / "file" / "var"), PORT="x", SECRETS_KEYS=CANARY, BROKER_URL=f"ftp://{CANARY}@broker"
    )
    assert done.returncode == 1
    for name in ("VAR_DIR", "PORT", "SECRETS_KEYS", "BROKER_URL"):
        assert f"(switchyard.{name})" in done.stderr
    assert "Traceback" not in done.stderr
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["granian", "--interface", "wsgi", "--port", "0", "connectors_project.wsgi:application"],
        ["celery", "-A", "connectors_project", "worker"],
        ["celery", "-A", "connectors_project", "beat"],
    ],
    ids=["web", "worker", "beat"],
)
def test_no_process_serves_with_a_wrong_setting(command: list[str], tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "connectors_project.settings",
        "VAR_DIR": str(tmp_path),
        "PORT": "eighty",
    }
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "switchyard.PORT: PORT cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_made_secret_is_kept_private_and_one_for_all_that_race_for_it(tmp_path: Path) -> None:
    path, together, seen = tmp_path / "key", threading.Barrier(8), list[str]()

    def read() -> None:
        together.wait()
        seen.append(keep_in_file(path, generate_key))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 1
    assert len(seen) == 8
    assert path.read_text() == seen[0]
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_keys_that_are_kept_in_a_file_are_several_there_as_well(tmp_path: Path) -> None:
    file = tmp_path / "secrets_key"
    (made,), found = kept_keys(file)
    assert found == []
    newer = generate_key()
    file.write_text(f"{newer},{made}\n")
    assert kept_keys(file) == ([newer, made], [])


@pytest.mark.parametrize("content", ["", "\n", CANARY, f"{CANARY},{'A' * 43}="])
def test_a_file_without_keys_is_named_and_not_shown(content: str, tmp_path: Path) -> None:
    (tmp_path / "secrets_key").write_text(content)
    done = check_in_a_process(VAR_DIR=str(tmp_path))
    assert done.returncode == 1
    assert f"SECRETS_KEYS cannot be used: {tmp_path}/secrets_key does not hold keys." in done.stderr
    assert "Traceback" not in done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_readme_lists_every_setting() -> None:
    assert options_table() in (ROOT / "README.md").read_text()
