"""Secrets move to a new key while everything runs; a lost key breaks its own connectors, plainly, and nothing else."""

import json
from functools import partial
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.checks import ERROR, Tags, run_checks
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone
from pydantic import SecretStr
from pytest_django import Settings

from connectors.models import AccessToken, Connector, SecretsCanary, Status
from connectors.outcomes import Reason
from connectors.secrets import Sealed, UndecryptableSecrets, generate_key, held_key_ids, key_id
from connectors.services import CannotOpen, open_connection, probe_connector, update_connector
from connectors.services import rotation as service
from connectors.services.canary import plant_canary
from connectors.services.preconfigured import sync_preconfigured
from connectors.services.rotation import rotate_secrets, sealed_columns
from connectors.tokens import Token, keep_token, load_token
from spaces.models import Space
from tests.api.client import Api
from tests.connectors.test_services_concurrency import at_once
from tests.factories import make_connector, make_space

pytestmark = pytest.mark.django_db

OLD, NEW, OTHER = generate_key(), generate_key(), generate_key()


@pytest.fixture(autouse=True)
def _old_key(settings: Settings) -> None:
    settings.SECRETS_KEYS = [OLD]


@pytest.fixture
def space() -> Space:
    return make_space()


def connector(space: Space, public_id: str = "desk") -> Connector:
    return make_connector(space, public_id=public_id, auth="bearer", secrets={"token": f"token of {public_id}"})


def stored(row: Connector) -> Connector:
    return Connector.objects.get(pk=row.pk)


def token_of(row: Connector) -> str:
    return str(open_connection(stored(row)).secrets.token.get_secret_value())


def messages() -> list[Any]:
    return [each for each in run_checks(tags=[Tags.database], databases=["default"]) if "SECRETS" in str(each.id)]


# --- Key ids ---


def test_a_value_names_the_key_that_it_needs(space: Space, settings: Settings) -> None:
    row = connector(space)
    assert row.secrets.key_id == key_id(OLD)
    settings.SECRETS_KEYS = [NEW]
    with pytest.raises(UndecryptableSecrets, match=f"The key {key_id(OLD)}"):
        stored(row).secrets.open()


def test_a_value_from_before_keys_had_ids_opens_and_is_renewed(space: Space, settings: Settings) -> None:
    row = connector(space)
    settings.SECRETS_KEYS = [NEW, OLD]
    bare = Sealed(Fernet(OLD).encrypt(json.dumps({"token": "old"}).encode()))
    Connector.objects.filter(pk=row.pk).update(secrets=bare)
    assert token_of(row) == "old"
    assert rotate_secrets().renewed == 1
    assert (stored(row).secrets.key_id, token_of(row)) == (key_id(NEW), "old")


def test_the_id_tells_nothing_of_the_key() -> None:
    assert len(key_id(OLD)) == 8
    assert key_id(OLD) not in OLD


def test_the_id_is_the_one_that_sha256sum_finds() -> None:
    assert key_id(OLD) == sha256(OLD.encode()).hexdigest()[:8]


def test_a_key_has_one_id_in_either_alphabet_of_base64(settings: Settings) -> None:
    key = "-_" * 20 + "-_A="
    assert key_id(key) == key_id(key.replace("-", "+").replace("_", "/"))
    settings.SECRETS_KEYS = [key]
    sealed = Sealed.seal({"token": SecretStr("t")})
    settings.SECRETS_KEYS = [key.replace("-", "+").replace("_", "/")]
    assert sealed.open() == {"token": SecretStr("t")}


def test_the_newest_key_seals_and_every_key_opens_in_whatever_order(settings: Settings) -> None:
    for keys in ([NEW, OLD, OTHER], [OLD, OTHER, NEW], [OTHER, NEW, OLD]):
        settings.SECRETS_KEYS = keys
        sealed = Sealed.seal({"token": SecretStr("t")})
        assert (sealed.key_id, held_key_ids()) == (key_id(keys[0]), tuple(map(key_id, keys)))
        settings.SECRETS_KEYS = [*keys[1:], keys[0]]
        assert sealed.open() == {"token": SecretStr("t")}
        assert not sealed.is_current


# --- Rotation ---


def test_every_column_of_ciphertext_is_rotated_and_the_canary_last() -> None:
    columns = list(sealed_columns())
    assert set(columns) == {(Connector, "secrets"), (AccessToken, "token"), (SecretsCanary, "sealed")}
    assert columns[-1] == (SecretsCanary, "sealed")


def test_rotation_moves_all_to_the_newest_key_and_the_old_one_can_go(space: Space, settings: Settings) -> None:
    rows = [connector(space, f"desk-{number}") for number in range(5)]
    make_connector(space, public_id="plain")
    keep_token(rows[0].pk, rows[0].version, Token(SecretStr("t"), timezone.now()))
    plant_canary()
    settings.SECRETS_KEYS = [NEW, OLD]
    assert (rotate_secrets().renewed, rotate_secrets().current) == (7, 7)
    settings.SECRETS_KEYS = [NEW]
    assert [token_of(row) for row in rows] == [f"token of desk-{number}" for number in range(5)]
    assert load_token(rows[0].pk, rows[0].version) is not None
    assert messages() == []


def test_rotation_changes_nothing_but_the_ciphertext(space: Space, settings: Settings) -> None:
    row = connector(space)
    before: dict[str, Any] = {**Connector.objects.filter(pk=row.pk).values().get()}
    revision = Space.objects.get(pk=space.pk).config_revision
    settings.SECRETS_KEYS = [NEW, OLD]
    rotate_secrets()
    after: dict[str, Any] = {**Connector.objects.filter(pk=row.pk).values().get()}
    assert {name for name in after if after[name] != before[name]} == {"secrets"}
    assert Space.objects.get(pk=space.pk).config_revision == revision


def test_a_dry_run_writes_nothing(space: Space, settings: Settings) -> None:
    row = connector(space)
    settings.SECRETS_KEYS = [NEW, OLD]
    assert rotate_secrets(dry_run=True).renewed == 1
    assert stored(row).secrets.key_id == key_id(OLD)


def test_what_somebody_enters_meanwhile_stays(
    space: Space, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = connector(space)
    settings.SECRETS_KEYS = [NEW, OLD]
    renewed = Sealed.renewed

    def overtaken(sealed: Sealed) -> Sealed:
        monkeypatch.setattr(Sealed, "renewed", renewed)
        settings.SECRETS_KEYS = [OLD]  # as a process that has not been restarted yet
        update_connector(row, secrets={"token": "entered meanwhile"})
        settings.SECRETS_KEYS = [NEW, OLD]
        return renewed(sealed)

    monkeypatch.setattr(Sealed, "renewed", overtaken)
    assert rotate_secrets().renewed == 1
    assert (stored(row).secrets.key_id, token_of(row)) == (key_id(NEW), "entered meanwhile")


def test_many_rows_are_done_in_batches(space: Space, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_BATCH", 3)
    for number in range(10):
        connector(space, f"desk-{number}")
    settings.SECRETS_KEYS = [NEW, OLD]
    assert rotate_secrets().renewed == 10


def test_an_access_token_that_cannot_be_read_is_dropped(space: Space, settings: Settings) -> None:
    row = make_connector(space)
    keep_token(row.pk, row.version, Token(SecretStr("t"), timezone.now()))
    settings.SECRETS_KEYS = [NEW]
    assert rotate_secrets().unreadable == []
    assert not AccessToken.objects.exists()


def test_the_command_says_what_it_did(space: Space, settings: Settings) -> None:
    connector(space)
    plant_canary()
    settings.SECRETS_KEYS = [NEW, OLD]
    out = StringIO()
    call_command("rotate_secrets", stdout=out)
    call_command("rotate_secrets", stdout=out)
    assert out.getvalue().splitlines() == [
        "2 renewed, 0 under the newest key already, 0 unreadable.",
        "0 renewed, 2 under the newest key already, 0 unreadable.",
    ]


# --- A lost key ---


def test_a_lost_key_is_a_bad_config_of_its_connectors_alone(space: Space, settings: Settings) -> None:
    lost, plain = connector(space), make_connector(space, public_id="plain")
    settings.SECRETS_KEYS = [NEW]
    kept = connector(space, "kept")
    with pytest.raises(CannotOpen) as refusal:
        open_connection(stored(lost))
    assert refusal.value.reason is Reason.BAD_CONFIG
    assert "enter the secrets again" in refusal.value.detail
    open_connection(plain)
    open_connection(kept)
    assert probe_connector(lost).reason is Reason.BAD_CONFIG
    for _ in range(3):
        probe_connector(lost)
    api = Api(space)
    assert len(api.get("connectors").ids) == 3
    shown = api.get("connectors/desk").body
    assert (shown["status"], shown["status_reason"]) == (Status.DISCONNECTED, "bad_config")


def test_entering_the_secrets_again_repairs_it(space: Space, settings: Settings) -> None:
    row = connector(space)
    settings.SECRETS_KEYS = [NEW]
    update_connector(row, secrets={"token": "again"})
    assert token_of(row) == "again"


def test_a_missing_key_is_a_warning_that_counts_its_connectors(space: Space, settings: Settings) -> None:
    plant_canary()
    connector(space, "one")
    connector(space, "two")
    settings.SECRETS_KEYS = [NEW, OLD]
    rotate_secrets()
    settings.SECRETS_KEYS = [OTHER]
    connector(space, "three")
    settings.SECRETS_KEYS = [NEW]
    (warning,) = messages()
    assert (warning.level < ERROR, warning.id) == (True, "switchyard.SECRETS_KEYS")
    assert f"lacks the key {key_id(OTHER)}. Connectors that need it, and fail as bad_config: 1." in warning.msg


def test_the_command_names_what_it_cannot_read_and_fails(space: Space, settings: Settings) -> None:
    connector(space)
    settings.SECRETS_KEYS = [NEW]
    plant_canary()
    out = StringIO()
    with pytest.raises(CommandError, match="Some secrets cannot be read"):
        call_command("rotate_secrets", stdout=out)
    assert f'connector "desk" in the space "{space.slug}": The key {key_id(OLD)}' in out.getvalue()


def test_what_cannot_be_read_shows_as_disconnected_at_once(space: Space, settings: Settings) -> None:
    row = connector(space)
    settings.SECRETS_KEYS = [NEW]
    plant_canary()
    rotate_secrets(dry_run=True)
    assert stored(row).status == Status.UNKNOWN
    rotate_secrets()
    assert (stored(row).status, stored(row).status_reason) == (Status.DISCONNECTED, "bad_config")
    assert key_id(OLD) in stored(row).status_detail
    assert (stored(row).version, stored(row).secrets) == (row.version, row.secrets)


def test_what_is_entered_again_meanwhile_is_not_called_unreadable(
    space: Space, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = connector(space)
    settings.SECRETS_KEYS = [NEW]
    plant_canary()
    renewed = Sealed.renewed

    def overtaken(sealed: Sealed) -> Sealed:
        monkeypatch.setattr(Sealed, "renewed", renewed)
        update_connector(row, secrets={"token": "again"})
        return renewed(sealed)

    monkeypatch.setattr(Sealed, "renewed", overtaken)
    rotation = rotate_secrets()
    assert (rotation.current, rotation.unreadable) == (2, [])
    assert stored(row).status == Status.UNKNOWN


def test_damaged_secrets_are_unreadable_even_under_the_newest_key(space: Space) -> None:
    row = connector(space)
    plant_canary()
    Connector.objects.filter(pk=row.pk).update(secrets=Sealed(row.secrets.token[:-8]))
    (line,) = rotate_secrets().unreadable
    assert f"damaged: their key {key_id(OLD)}" in line


def test_a_missing_key_from_before_keys_had_ids_is_a_warning_too(space: Space, settings: Settings) -> None:
    row = connector(space)
    Connector.objects.filter(pk=row.pk).update(secrets=Sealed(row.secrets.token.partition(b":")[2]))
    settings.SECRETS_KEYS = [NEW, OLD]
    plant_canary()
    assert messages() == []
    settings.SECRETS_KEYS = [NEW]
    (warning,) = messages()
    assert "a key from before keys had ids" in warning.msg
    assert "bad_config: 1." in warning.msg


def test_the_console_lists_and_shows_a_connector_whose_key_is_lost(
    space: Space, settings: Settings, admin_client: Client
) -> None:
    row = connector(space)
    settings.SECRETS_KEYS = [NEW]
    pages = ["/admin/connectors/connector/", f"/admin/connectors/connector/{row.pk}/change/"]
    for page in pages:
        answer = admin_client.get(page, follow=True)
        assert answer.status_code == 200
        assert row.name in answer.content.decode()


def test_a_preconfigured_connector_is_sealed_anew_from_its_file(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "connectors.yaml"
    file.write_text(
        "connectors:\n  - id: desk\n    name: Desk\n    type: http\n"
        "    config:\n      url: https://a.example/\n      auth: bearer\n    secrets:\n      token: env:DESK_TOKEN\n"
    )
    settings.CONNECTORS_FILE = str(file)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DESK_TOKEN", "from the file")
        sync_preconfigured()
        settings.SECRETS_KEYS = [NEW]
        sync_preconfigured()
    row = Connector.objects.get(public_id="desk")
    assert (row.secrets.key_id, token_of(row)) == (key_id(NEW), "from the file")


@pytest.mark.django_db(transaction=True)
def test_every_edit_at_the_same_moment_wins_over_the_rotation(space: Space, settings: Settings) -> None:
    settings.SECRETS_KEYS = [NEW, OLD]
    for round_ in range(5):
        rows = [connector(space, f"desk-{round_}-{number}") for number in range(12)]
        for row in rows:
            settings.SECRETS_KEYS = [OLD]
            update_connector(row, secrets={"token": "old"})
        settings.SECRETS_KEYS = [NEW, OLD]
        edits = [partial(enter, rows[number::3], "entered") for number in range(3)]
        assert at_once(*edits, rotate_secrets, rotate_secrets) == [None] * 5
        assert {token_of(row) for row in rows} == {"entered"}
        assert {stored(row).secrets.key_id for row in rows} == {key_id(NEW)}


def enter(rows: list[Connector], token: str) -> None:
    for row in rows:
        update_connector(row, secrets={"token": token})
