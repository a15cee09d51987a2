"""Single sign-on that cannot work is told by name before a process serves."""

import subprocess
import sys
from pathlib import Path

import environ
import pytest

from connectors_project.options import read_options
from tests.connectors_project.test_options import CANARY, check_in_a_process, problems
from tests.servers import ROOT

COMPLETE = {
    "OIDC_ISSUER": "https://id.example/realms/x",
    "OIDC_CLIENT_ID": "switchyard",
    "OIDC_CLIENT_SECRET": CANARY,
    "OIDC_SUPERUSERS": "root-team",
}


def test_an_issuer_alone_is_not_enough(tmp_path: Path) -> None:
    done = check_in_a_process(VAR_DIR=str(tmp_path), OIDC_ISSUER=COMPLETE["OIDC_ISSUER"])
    assert done.returncode == 1
    for name in ("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_GROUPS"):
        assert f"(switchyard.{name})" in done.stderr
    assert "HINT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_complete_setting_is_taken_with_the_secret_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(CANARY)
    given = {**COMPLETE, "OIDC_CLIENT_SECRET": "", "OIDC_CLIENT_SECRET_FILE": str(secret)}
    done = check_in_a_process(VAR_DIR=str(tmp_path / "var"), **given)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_not_installed_is_told_with_how_to_install_it(tmp_path: Path) -> None:
    code = "import sys; sys.modules['allauth'] = None; from django.core.management import execute_from_command_line"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; execute_from_command_line(['manage.py', 'check'])"],
        cwd=ROOT,
        env={
            "PATH": "",
            "DJANGO_SETTINGS_MODULE": "connectors_project.settings",
            "VAR_DIR": str(tmp_path),
            **COMPLETE,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "(switchyard.OIDC_ISSUER)" in done.stderr
    assert "make sso" in done.stderr
    assert "Traceback" not in done.stderr
    assert CANARY not in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OIDC_ISSUER", "id.example", ""),
        ("OIDC_ISSUER", "http://id.example", "http is for loopback alone"),
        ("OIDC_ISSUER", "http://127.0.0.1.id.example", "http is for loopback alone"),
        ("OIDC_ISSUER", "https://user@id.example", "without user"),
        ("OIDC_ISSUER", "https://id.example/?tenant=1", "without user, query"),
        ("OIDC_ISSUER", f"https://id.example/{'x' * 255}", "at most 255 characters"),
        ("OIDC_SCOPES", "profile", "openid must be among them"),
        ("OIDC_GROUPS", "ops=", "write theirs=ours"),
        ("OIDC_GROUPS", "=Operators", "write theirs=ours"),
        ("OIDC_GROUPS", "x" * 151, "at most 150 characters"),
        ("OIDC_SESSION_HOURS", "0", "from 1 to 720"),
    ],
)
def test_a_value_of_the_wrong_form_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str) -> None:
    assert words in problems(monkeypatch, **{name: value})[name]


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:9", "https://a.b/c/"])
def test_an_issuer_may_be_on_loopback_or_behind_tls(monkeypatch: pytest.MonkeyPatch, issuer: str) -> None:
    assert problems(monkeypatch, OIDC_ISSUER=issuer) == {}


def test_groups_are_named_as_theirs_and_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_GROUPS", "5f2c-11=Operators, /sre/night , cn=ops=Operators")
    values, _ = read_options(environ.Env())
    assert values["OIDC_GROUPS"] == [
        ("5f2c-11", "Operators"),
        ("/sre/night", "/sre/night"),
        ("cn=ops", "Operators"),
    ]
