"""What holds for the connectors of every type."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from pydantic import SecretStr
from pytest_django import Settings

from connectors.models import Connector
from connectors.outcomes import Reason
from connectors.secrets import Sealed, generate_key
from connectors.services import CannotOpen, create_connector, delete_connector, open_connection, update_connector
from connectors.types.registry import all_types
from spaces.errors import InvalidInput
from spaces.models import Space
from tests.connectors.vault import Vault
from tests.factories import make_space

pytestmark = pytest.mark.django_db

URL = "https://vault.example"


@pytest.fixture(autouse=True)
def vault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(all_types(), "vault", Vault())


@pytest.fixture
def space() -> Space:
    return make_space()


def make_vault(space: Space, *, secrets: dict[str, str | None] | None = None, **values: Any) -> Connector:
    values.setdefault("config", {"url": URL})
    return create_connector(space, **{"type": "vault", "name": "Vault", "secrets": secrets or {}, **values})


def errors_of(change: Callable[[], object]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as raised, transaction.atomic():
        change()
    return [(error.pointer, error.detail) for error in raised.value.errors]


def pointers_of(change: Callable[[], object]) -> list[str]:
    return [pointer for pointer, _ in errors_of(change)]


def stored(connector: Connector) -> Connector:
    return Connector.objects.get(pk=connector.pk)


def opened(connector: Connector) -> dict[str, str]:
    return {name: secret.get_secret_value() for name, secret in stored(connector).secrets.open().items()}


def revision(space: Space) -> int:
    return Space.objects.get(pk=space.pk).config_revision


# --- Create ---


def test_a_connector_is_stored_complete(space: Space) -> None:
    before = revision(space)
    made = make_vault(space, name=" Cafe\u0301 ", public_id="mine", secrets={"token": "t0k3n"}, enabled=False)
    connector = stored(made)
    assert (connector.space, connector.type, connector.name, connector.public_id) == (space, "vault", "Café", "mine")
    assert connector.config == {"url": URL, "username": "", "retries": 3, "labels": {}}
    assert opened(made) == {"token": "t0k3n"}
    assert list(connector.secrets_set_at) == ["token"]
    assert (connector.enabled, connector.is_missing_secrets, connector.version) == (False, False, 1)
    assert (made.version, made.created_at, made.config) == (1, connector.created_at, connector.config)
    assert revision(space) == before + 1


def test_an_id_is_generated_when_none_is_chosen(space: Space) -> None:
    first, second = make_vault(space), make_vault(space)
    assert first.public_id.startswith("con-")
    assert first.public_id != second.public_id


def test_an_id_is_taken_once_in_a_space(space: Space) -> None:
    make_vault(space, public_id="mine")
    make_vault(make_space(), public_id="mine")
    assert errors_of(lambda: make_vault(space, public_id="mine")) == [("/id", 'The ID "mine" is already taken.')]
    assert space.connectors.count() == 1


def test_everything_wrong_is_reported_at_once_and_nothing_is_stored(space: Space) -> None:
    before = revision(space)
    found = errors_of(
        lambda: make_vault(
            space,
            name=" ",
            public_id="No!",
            config={"retries": -1, "labels": {"a/b": 3}, "nope": 1},
            secrets={"pin": "1234"},
        )
    )
    assert [pointer for pointer, _ in found] == [
        "/name",
        "/id",
        "/config/url",
        "/config/retries",
        "/config/labels/a~1b",
        "/config/nope",
        "/secrets/pin",
    ]
    assert dict(found)["/secrets/pin"] == "There is no such field."
    assert not Connector.objects.exists()
    assert revision(space) == before


def test_an_unknown_type_is_refused_with_the_known_ones(space: Space) -> None:
    ((pointer, detail),) = errors_of(lambda: make_vault(space, type="vaullt"))
    assert pointer == "/type"
    assert "vault" in detail.split("Known types:")[1]


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"config": {"url": URL, "username": "nul\0"}}, "/config/username"),
        ({"config": {"url": URL, "labels": {"a": "\ud800"}}}, "/config/labels/a"),
        ({"config": {"url": URL, "retries": float("nan")}}, "/config/retries"),
        ({"config": ["no", "object"]}, "/config"),
        ({"config": None}, "/config"),
        ({"config": {"url": "https://closed.example"}}, "/config/url"),
        ({"secrets": ["no", "object"]}, "/secrets"),
        ({"secrets": {"password": 1234}}, "/secrets/password"),
        ({"secrets": {"password": {"a": "b"}}}, "/secrets/password"),
        ({"secrets": {"password": "nul\0"}}, "/secrets/password"),
        ({"secrets": {"password": "\udfff"}}, "/secrets/password"),
        ({"secrets": {"unknown": None}}, "/secrets/unknown"),
    ],
)
def test_hostile_settings_are_refused_at_their_place(space: Space, values: dict[str, Any], pointer: str) -> None:
    assert pointers_of(lambda: make_vault(space, **values)) == [pointer]
    assert not Connector.objects.exists()


def test_an_error_never_quotes_a_secret(space: Space) -> None:
    found = errors_of(lambda: make_vault(space, secrets={"token": "!hunter2"}))
    assert found == [("/secrets/token", "This value is not accepted.")]
    with pytest.raises(InvalidInput) as raised:
        make_vault(space, secrets={"token": "!hunter2"})
    chain = [raised.value, raised.value.__cause__, raised.value.__context__]
    assert "hunter2" not in repr(chain)


def test_a_connector_with_missing_secrets_is_saved_and_flagged(space: Space) -> None:
    connector = make_vault(space, config={"url": URL, "username": "ada"})
    assert stored(connector).is_missing_secrets
    with pytest.raises(CannotOpen) as raised:
        open_connection(connector)
    assert raised.value.reason is Reason.MISSING_SECRETS
    assert "password" in raised.value.detail

    update_connector(connector, secrets={"password": "p"})
    assert not stored(connector).is_missing_secrets
    assert open_connection(stored(connector)).secrets.password == SecretStr("p")


# --- Update ---


def test_what_is_not_named_stays(space: Space) -> None:
    connector = make_vault(space, secrets={"token": "t"}, config={"url": URL, "retries": 7})
    updated = update_connector(connector, name="Other")
    assert stored(connector).config == connector.config
    assert (updated.name, updated.public_id, updated.type, updated.enabled) == (
        "Other",
        connector.public_id,
        "vault",
        True,
    )
    assert opened(connector) == {"token": "t"}
    assert stored(connector).secrets_set_at == connector.secrets_set_at


def test_config_replaces_the_whole(space: Space) -> None:
    connector = make_vault(space, config={"url": URL, "retries": 7, "labels": {"a": "b"}})
    update_connector(connector, config={"url": URL, "username": "ada"})
    assert stored(connector).config == {"url": URL, "username": "ada", "retries": 3, "labels": {}}


def test_secrets_are_merged_absent_keeps_and_null_clears(space: Space) -> None:
    connector = make_vault(space, secrets={"token": "t", "password": "p"})
    was = connector.secrets_set_at

    update_connector(connector, secrets={"password": "new"})
    assert opened(connector) == {"token": "t", "password": "new"}
    now = stored(connector).secrets_set_at
    assert now["token"] == was["token"]
    assert now["password"] > was["password"]

    update_connector(connector, secrets={"token": None})
    assert opened(connector) == {"password": "new"}
    assert list(stored(connector).secrets_set_at) == ["password"]

    update_connector(connector, secrets={"token": None, "password": None})
    assert stored(connector).secrets.token == b""
    assert stored(connector).secrets_set_at == {}


def test_a_secret_that_the_type_no_longer_knows_can_be_cleared(space: Space) -> None:
    connector = make_vault(space, secrets={"token": "t"})
    Connector.objects.filter(pk=connector.pk).update(
        secrets=Sealed.seal({"token": SecretStr("t"), "pin": SecretStr("1234")}),
        secrets_set_at={**connector.secrets_set_at, "pin": "2026-01-01T00:00:00+00:00"},
    )
    expected = [("/secrets/pin", "There is no such field.")]
    assert errors_of(lambda: update_connector(connector, secrets={"token": "t2"})) == expected
    update_connector(connector, secrets={"token": "t2", "pin": None})
    assert opened(connector) == {"token": "t2"}


def test_each_change_moves_the_version_and_the_revision(space: Space) -> None:
    connector = make_vault(space)
    before, was = revision(space), stored(connector).updated_at
    changes: list[dict[str, Any]] = [
        {"name": "B"},
        {"enabled": False},
        {"config": {"url": URL}},
        {"secrets": {"token": "x"}},
    ]
    for version, change in enumerate(changes, start=2):
        assert update_connector(connector, **change).version == version
        assert stored(connector).version == version
        assert revision(space) == before + version - 1
        assert stored(connector).updated_at > was
        was = stored(connector).updated_at


def test_a_refused_change_changes_nothing(space: Space) -> None:
    connector = make_vault(space, secrets={"token": "t"})
    before = revision(space)
    found = pointers_of(
        lambda: update_connector(
            connector, name="", config={"url": "ftp://x"}, secrets={"token": "!bad", "password": "p"}, enabled=False
        )
    )
    assert found == ["/name", "/config/url", "/secrets/token"]
    unchanged = stored(connector)
    assert (unchanged.version, unchanged.enabled, unchanged.name) == (1, True, "Vault")
    assert opened(connector) == {"token": "t"}
    assert revision(space) == before


def test_a_change_keeps_what_others_changed_meanwhile(space: Space) -> None:
    connector = make_vault(space, secrets={"token": "t"})
    mine, theirs = stored(connector), stored(connector)
    update_connector(theirs, name="Theirs", secrets={"password": "p"})
    update_connector(mine, enabled=False)
    now = stored(connector)
    assert (now.name, now.enabled, now.version) == ("Theirs", False, 3)
    assert opened(connector) == {"token": "t", "password": "p"}


def test_a_connector_that_is_gone_cannot_be_changed(space: Space) -> None:
    connector = make_vault(space)
    delete_connector(stored(connector))
    for change in (lambda: update_connector(connector, name="B"), lambda: delete_connector(connector)):
        with pytest.raises(Connector.DoesNotExist):
            change()


# --- A stored secret never follows the connector to another target ---


@pytest.mark.parametrize("url", ["https://evil.example", "http://vault.example", "https://vault.example:444"])
def test_a_stored_secret_does_not_go_to_a_new_target(space: Space, url: str) -> None:
    connector = make_vault(space, secrets={"token": "t", "password": "p"})
    found = errors_of(lambda: update_connector(connector, config={"url": url}))
    assert [pointer for pointer, _ in found] == ["/secrets/password", "/secrets/token"]
    assert all(URL in detail and url in detail for _, detail in found)
    assert pointers_of(lambda: update_connector(connector, config={"url": url}, secrets={"token": "t2"})) == [
        "/secrets/password"
    ]
    assert stored(connector).config["url"] == URL


def test_a_new_target_is_accepted_with_its_secrets(space: Space) -> None:
    connector = make_vault(space, secrets={"token": "t", "password": "p"})
    update_connector(connector, config={"url": "https://new.example"}, secrets={"token": "new", "password": None})
    assert stored(connector).config["url"] == "https://new.example"
    assert opened(connector) == {"token": "new"}


def test_another_path_on_the_same_target_needs_no_secrets(space: Space) -> None:
    connector = make_vault(space, secrets={"token": "t"})
    update_connector(connector, config={"url": f"{URL}/other?x=1"})
    assert opened(connector) == {"token": "t"}


def test_without_stored_secrets_the_target_is_free(space: Space) -> None:
    connector = make_vault(space)
    assert update_connector(connector, config={"url": "https://new.example"}).version == 2


def test_a_stored_secret_does_not_go_anywhere_from_an_unreadable_config(space: Space) -> None:
    connector = make_vault(space, secrets={"token": "t"})
    Connector.objects.filter(pk=connector.pk).update(config={"address": "of an older version"})
    assert pointers_of(lambda: update_connector(connector, config={"url": URL})) == ["/secrets/token"]
    update_connector(connector, config={"url": URL}, secrets={"token": "t"})
    assert opened(connector) == {"token": "t"}


# --- Secrets whose key is lost ---


def test_under_lost_keys_a_connector_can_still_be_renamed_and_disabled(space: Space, settings: Settings) -> None:
    connector = make_vault(space, secrets={"token": "t"})
    former = settings.SECRETS_KEYS
    settings.SECRETS_KEYS = [generate_key()]
    update_connector(connector, name="Renamed", enabled=False, config={"url": URL, "retries": 1})

    settings.SECRETS_KEYS = former
    assert opened(connector) == {"token": "t"}
    assert (stored(connector).name, stored(connector).config["retries"]) == ("Renamed", 1)


def test_under_lost_keys_secrets_are_given_again_all_of_them(space: Space, settings: Settings) -> None:
    connector = make_vault(space, secrets={"token": "t", "password": "p"})
    settings.SECRETS_KEYS = [generate_key()]
    ((pointer, detail),) = errors_of(lambda: update_connector(connector, secrets={"token": "t2"}))
    assert pointer == "/secrets/password"
    assert "SECRETS_KEYS" in detail
    update_connector(connector, secrets={"token": "t2", "password": None})
    assert opened(connector) == {"token": "t2"}


# --- Open ---


def test_a_connection_is_named_by_row_and_version(space: Space) -> None:
    connector = update_connector(make_vault(space, secrets={"token": "t"}), enabled=False)
    connection = open_connection(connector)
    assert (connection.id, connection.version) == (connector.pk, 2)
    assert connection.config.url == URL
    assert connection.secrets.plaintexts() == ["t"]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"type": "gone"}, 'no connector type "gone"'),
        ({"config": {"url": "ftp://x"}}, "/config/url"),
        ({"config": {"url": URL, "removed": 1}}, "/config/removed"),
        ({"secrets": Sealed(b"garbage")}, "SECRETS_KEYS"),
    ],
)
def test_a_connector_that_does_not_fit_its_type_cannot_open(space: Space, broken: dict[str, Any], said: str) -> None:
    connector = make_vault(space, secrets={"token": "t"})
    Connector.objects.filter(pk=connector.pk).update(**broken)
    with pytest.raises(CannotOpen) as raised:
        open_connection(stored(connector))
    assert raised.value.reason is Reason.BAD_CONFIG
    assert said in raised.value.detail


def test_secrets_that_do_not_fit_their_type_are_not_quoted(space: Space) -> None:
    connector = make_vault(space, secrets={"token": "t"})
    sealed = Sealed.seal({"token": SecretStr("!hunter2")})
    Connector.objects.filter(pk=connector.pk).update(secrets=sealed)
    with pytest.raises(CannotOpen) as raised:
        open_connection(stored(connector))
    assert raised.value.reason is Reason.BAD_CONFIG
    assert "/secrets/token" in raised.value.detail
    assert "hunter2" not in raised.value.detail


# --- Delete ---


def test_a_deleted_connector_is_gone_and_the_workers_are_told(space: Space) -> None:
    connector = make_vault(space)
    before = revision(space)
    delete_connector(connector)
    assert not Connector.objects.exists()
    assert revision(space) == before + 1
