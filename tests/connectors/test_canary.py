"""Keys of another database are told before anything serves, and do no harm to what is stored."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import ERROR, CheckMessage, Tags, run_checks
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import Settings

from connectors.models import Connector, SecretsCanary
from connectors.secrets import Sealed, generate_key, key_id
from connectors.services.canary import WrongKeys, check_canary, plant_canary
from connectors.services.rotation import rotate_secrets
from connectors_project.startup import refuse_if_misconfigured
from spaces.models import Space
from tests.factories import make_connector, make_space
from tests.servers import ROOT, free_port

pytestmark = pytest.mark.django_db

OLD, NEW, OTHER = generate_key(), generate_key(), generate_key()


@pytest.fixture(autouse=True)
def _old_key(settings: Settings) -> None:
    settings.SECRETS_KEYS = [OLD]


@pytest.fixture
def space() -> Space:
    return make_space()


def connector(space: Space) -> Connector:
    return make_connector(space, public_id="desk", auth="bearer", secrets={"token": "t"})


def messages() -> list[CheckMessage]:
    return [each for each in run_checks(tags=[Tags.database], databases=["default"]) if "SECRETS" in str(each.id)]


def rows() -> list[dict[str, Any]]:
    return [{**row} for model in (Connector, SecretsCanary) for row in model._base_manager.values()]


def run(command: list[str], var_dir: Path, keys: str = "") -> subprocess.CompletedProcess[str]:
    """Run a process of an embedded installation. One that serves is ended, with all that it started."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "connectors_project.settings",
        **{"DATABASE_URL": "", "BROKER_URL": "", "VAR_DIR": str(var_dir), "SECRETS_KEYS": keys},
    }
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment | {"PORT": str(free_port())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.terminate()
            out, err = process.communicate(timeout=60)
            pytest.fail(f"It serves:\n{out}{err}")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def manage(*arguments: str, var_dir: Path, keys: str = "") -> subprocess.CompletedProcess[str]:
    return run(["manage.py", *arguments], var_dir, keys)


def test_keys_of_another_database_are_an_error_that_names_the_one_needed(settings: Settings) -> None:
    plant_canary()
    assert messages() == []
    settings.SECRETS_KEYS = [NEW, OTHER]
    (error,) = messages()
    assert (error.level, error.id) == (ERROR, "switchyard.SECRETS_KEYS")
    assert error.msg == (
        f"This database needs the key {key_id(OLD)}, which SECRETS_KEYS does not hold. "
        f"It holds: {key_id(NEW)}, {key_id(OTHER)}."
    )
    assert "--accept-loss" in str(error.hint)


def test_rotation_with_keys_of_another_database_touches_nothing(space: Space, settings: Settings) -> None:
    connector(space)
    plant_canary()
    before = rows()
    settings.SECRETS_KEYS = [NEW]
    with pytest.raises(CommandError, match=f"needs the key {key_id(OLD)}.*--accept-loss"):
        call_command("rotate_secrets")
    assert rows() == before


def test_a_dry_run_with_keys_of_another_database_lists_and_touches_nothing(space: Space, settings: Settings) -> None:
    connector(space)
    plant_canary()
    before = rows()
    settings.SECRETS_KEYS = [NEW]
    out = StringIO()
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("rotate_secrets", dry_run=True, accept_loss=False, stdout=out)
    with pytest.raises(WrongKeys):
        check_canary()
    call_command("rotate_secrets", dry_run=True, accept_loss=True, stdout=out)
    assert 'connector "desk"' in out.getvalue()
    assert rows() == before


def test_an_accepted_loss_starts_over_and_leaves_the_connectors_to_be_repaired(
    space: Space, settings: Settings
) -> None:
    row = connector(space)
    plant_canary()
    settings.SECRETS_KEYS = [NEW]
    out = StringIO()
    call_command("rotate_secrets", accept_loss=True, stdout=out)
    assert f'connector "desk" in the space "{space.slug}"' in out.getvalue()
    assert "0 renewed, 1 under the newest key already, 1 unreadable." in out.getvalue()
    (left,) = messages()
    assert left.level < ERROR
    settings.SECRETS_KEYS = [NEW, OLD]  # found after all
    assert messages() == []
    assert rotate_secrets().renewed == 1
    assert Connector.objects.get(pk=row.pk).secrets.key_id == key_id(NEW)


def test_a_loss_is_accepted_only_where_there_is_one(settings: Settings) -> None:
    plant_canary()
    rotate_secrets(accept_loss=True)
    settings.SECRETS_KEYS = [NEW, OLD]
    assert messages() == []


def test_planting_again_keeps_the_canary(settings: Settings) -> None:
    plant_canary()
    settings.SECRETS_KEYS = [NEW]
    plant_canary()
    with pytest.raises(WrongKeys):
        check_canary()


def test_a_rotation_that_was_cut_off_still_needs_the_former_key(
    space: Space, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector(space)
    plant_canary()
    settings.SECRETS_KEYS = [NEW, OLD]
    renewed = Sealed.renewed

    def cut_off(sealed: Sealed) -> Sealed:
        monkeypatch.setattr(Sealed, "renewed", fail)
        return renewed(sealed)

    def fail(sealed: Sealed) -> Sealed:
        raise KeyboardInterrupt

    monkeypatch.setattr(Sealed, "renewed", cut_off)
    with pytest.raises(KeyboardInterrupt):
        rotate_secrets()
    settings.SECRETS_KEYS = [NEW]
    with pytest.raises(WrongKeys):
        check_canary()


def test_a_canary_that_was_emptied_by_a_dump_is_planted_again(settings: Settings, tmp_path: Path) -> None:
    plant_canary()
    dump = str(tmp_path / "dump.json")
    call_command("dumpdata", "connectors", output=dump)
    call_command("loaddata", dump)
    settings.SECRETS_KEYS = [NEW]
    check_canary()
    plant_canary()
    settings.SECRETS_KEYS = [OTHER]
    with pytest.raises(WrongKeys):
        check_canary()


def test_a_database_from_before_the_canary_is_told_by_its_secrets(space: Space, settings: Settings) -> None:
    check_canary()
    row = connector(space)
    Connector.objects.filter(pk=row.pk).update(secrets=Sealed(row.secrets.token.partition(b":")[2]))
    check_canary()
    settings.SECRETS_KEYS = [NEW]
    with pytest.raises(WrongKeys, match="opens any of the secrets"):
        check_canary()
    call_command("rotate_secrets", accept_loss=True, stdout=StringIO())
    check_canary()


def test_keys_that_cannot_be_used_are_told_by_the_check_of_settings_alone(settings: Settings) -> None:
    plant_canary()
    settings.SECRETS_KEYS = []
    assert messages() == []


@pytest.mark.parametrize("command", [["check", "--database", "default"], ["migrate", "--verbosity", "0"]])
def test_a_database_that_is_not_set_up_has_no_say(command: list[str], tmp_path: Path) -> None:
    done = manage(*command, var_dir=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_database_that_does_not_answer_keeps_nothing_from_starting_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "switchyard.sqlite3").mkdir()
    start = "import django; django.setup(); from connectors_project.startup import *; refuse_if_misconfigured()"
    done = run(["-c", start], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "SECRETS_KEYS was not checked, the database cannot be used" in done.stdout + done.stderr


def test_a_start_tells_of_a_missing_key(space: Space, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    connector(space)
    settings.SECRETS_KEYS = [NEW]
    plant_canary()
    refuse_if_misconfigured()
    assert f"SECRETS_KEYS lacks the key {key_id(OLD)}. Connectors that need it" in caplog.text


def test_rotation_where_nothing_is_set_up_says_so(tmp_path: Path) -> None:
    done = manage("rotate_secrets", var_dir=tmp_path)
    assert done.returncode == 1
    assert "nothing is set up here" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "bootstrap"],
        ["manage.py", "run"],
        ["-m", "granian", "--interface", "wsgi", "--port", "0", "connectors_project.wsgi:application"],
        ["-m", "celery", "-A", "connectors_project", "worker"],
        ["-m", "celery", "-A", "connectors_project", "beat"],
    ],
    ids=["bootstrap", "run", "web", "worker", "beat"],
)
def test_no_process_serves_with_the_keys_of_another_database(command: list[str], tmp_path: Path) -> None:
    assert manage("bootstrap", var_dir=tmp_path, keys=OLD).returncode == 0
    done = run(command, tmp_path, NEW)
    assert done.returncode == 1
    assert f"This database needs the key {key_id(OLD)}, which SECRETS_KEYS does not hold." in done.stderr
    assert "rotate_secrets --accept-loss" in done.stderr
    assert "Traceback" not in done.stderr
