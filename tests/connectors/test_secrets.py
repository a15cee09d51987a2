"""A secret is readable in one place only: the connection that sends it."""

import io
import json
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.core.management import call_command
from django.forms.models import model_to_dict
from django.http import HttpRequest
from django.test import RequestFactory
from django.views.debug import ExceptionReporter, technical_500_response
from kombu.serialization import dumps
from pydantic import SecretStr
from pytest_django import Settings

from connectors.models import Connector
from connectors.outcomes import Reason
from connectors.secrets import Sealed, UndecryptableSecrets, check_key, generate_key, key_id
from connectors.services import CannotOpen, create_connector, open_connection, update_connector
from connectors.types.base import AnyConnection
from connectors.types.registry import all_types
from spaces.models import Space
from tests.connectors.vault import Vault
from tests.factories import make_space

CANARY = "S3CR3T-canary-0451"


@pytest.fixture(autouse=True)
def vault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(all_types(), "vault", Vault())


@pytest.fixture
def connector(db: None) -> Connector:
    return create_connector(
        make_space(),
        type="vault",
        name="Vault",
        config={"url": "https://vault.example", "username": "ada"},
        secrets={"password": CANARY},
    )


def test_a_connection_has_the_secret(connector: Connector) -> None:
    assert open_connection(connector).secrets.password.get_secret_value() == CANARY


def test_the_column_holds_ciphertext_of_the_first_key(connector: Connector, settings: Settings) -> None:
    (stored,) = Connector.objects.values_list("secrets", flat=True)
    assert CANARY.encode() not in stored.token
    name, _, token = stored.token.partition(b":")
    assert name.decode() == stored.key_id == key_id(settings.SECRETS_KEYS[0])
    assert Fernet(settings.SECRETS_KEYS[0]).decrypt(token) == json.dumps({"password": CANARY}).encode()


# --- Nothing that shows an object shows its secrets ---

SHOWN: dict[str, Callable[[Connector], object]] = {
    "repr": repr,
    "str": str,
    "vars": lambda connector: vars(connector),
    "model_to_dict": lambda connector: model_to_dict(connector, [field.name for field in Connector._meta.fields]),
    "values": lambda connector: Connector.objects.filter(pk=connector.pk).values().get(),
    "secrets": lambda connector: (str(connector.secrets), repr(connector.secrets), f"{connector.secrets}"),
    "connection": lambda connector: (repr(open_connection(connector)), str(open_connection(connector))),
    "dump of the connection": lambda connector: open_connection(connector).secrets.model_dump(),
    "JSON of the connection": lambda connector: open_connection(connector).secrets.model_dump_json(),
    "opened": lambda connector: connector.secrets.open(),
    "pickle": lambda connector: pickle.dumps(connector),
    "serializers": lambda connector: serializers.serialize("json", [connector]),
}


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_a_shown_connector_shows_no_secret(connector: Connector, show: Callable[[Connector], object]) -> None:
    connector.refresh_from_db()
    shown = show(connector)
    assert CANARY not in str(shown)
    assert CANARY not in repr(shown)


@pytest.mark.parametrize("show", ["serializers", "secrets", "vars"])
def test_a_shown_connector_shows_no_ciphertext_either(connector: Connector, show: str) -> None:
    connector.refresh_from_db()
    assert connector.secrets.token.decode()[10:] not in str(SHOWN[show](connector))


def test_a_dump_of_the_database_has_no_secret(connector: Connector) -> None:
    out = io.StringIO()
    call_command("dumpdata", "connectors", stdout=out)
    (dumped,) = json.loads(out.getvalue())
    assert dumped["fields"]["name"] == "Vault"
    assert dumped["fields"]["secrets"] == ""
    assert CANARY not in out.getvalue()


def test_what_was_dumped_and_loaded_asks_for_its_secrets(connector: Connector, tmp_path: Path) -> None:
    fixture = tmp_path / "dump.json"
    call_command("dumpdata", "connectors", output=str(fixture))
    call_command("loaddata", str(fixture))
    connector.refresh_from_db()
    with pytest.raises(CannotOpen) as raised:
        open_connection(connector)
    assert raised.value.reason is Reason.MISSING_SECRETS
    connector = update_connector(connector, config={**connector.config, "retries": 5})
    assert (connector.is_missing_secrets, connector.secrets_set_at) == (True, {})
    update_connector(connector, secrets={"password": CANARY})
    connector.refresh_from_db()
    assert open_connection(connector).secrets.plaintexts() == [CANARY]


def test_a_log_line_shows_no_secret(connector: Connector, caplog: pytest.LogCaptureFixture) -> None:
    connection = open_connection(connector)
    try:
        raise ValueError(connector, connection, connection.secrets)
    except ValueError:
        logging.getLogger("tests").exception(
            "%s %r %s %r %s", connector, connector, connection, connection, connector.secrets
        )
    assert "Vault" in caplog.text
    assert CANARY not in caplog.text


def test_a_celery_message_cannot_carry_a_connector_or_a_connection(connector: Connector) -> None:
    for each in (connector, open_connection(connector), connector.secrets):
        with pytest.raises(Exception, match="not JSON serializable"):
            dumps((each,), serializer="json")


def test_a_connection_is_never_pickled(connector: Connector) -> None:
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(open_connection(connector))


# --- Nor does a traceback with local names, as Django's debug page and error reports have it ---


def fail_with(connection: AnyConnection, connector: Connector) -> None:
    opened = connection.secrets
    raise RuntimeError(f"Something failed with {opened} of {connection} of {connector}.")


def debug_page(fail: Callable[[], object], request: HttpRequest) -> str:
    """Return everything that Django's debug page says of the exception."""
    with pytest.raises((RuntimeError, ValueError)) as raised:
        fail()
    html = technical_500_response(request, raised.type, raised.value, raised.tb).content.decode()
    return html + ExceptionReporter(request, raised.type, raised.value, raised.tb).get_traceback_text()


def test_the_debug_page_shows_no_secret_of_a_connection(
    connector: Connector, rf: RequestFactory, settings: Settings
) -> None:
    settings.DEBUG = True
    connection = open_connection(connector)
    page = debug_page(lambda: fail_with(connection, connector), rf.get("/"))
    assert "Something failed" in page
    assert "fail_with" in page
    assert "opened" in page
    assert CANARY not in page


def canary_settings() -> dict[str, Any]:
    # Made in a frame of its own, so that the test's frames do not name it.
    return {"config": {"url": "https://vault.example"}, "secrets": {"password": CANARY}}


def test_the_debug_page_of_a_failed_create_shows_no_secret(db: None, rf: RequestFactory, settings: Settings) -> None:
    settings.DEBUG = True
    unsaved = Space(slug="unsaved")
    page = debug_page(
        lambda: create_connector(unsaved, type="vault", name="V", **canary_settings()),
        rf.get("/"),
    )
    assert "create_connector" in page
    assert "unsaved related object" in page
    assert CANARY not in page


def test_the_debug_page_of_a_failed_update_shows_no_secret(
    connector: Connector, rf: RequestFactory, settings: Settings
) -> None:
    settings.DEBUG = True
    settings.SECRETS_KEYS = ["no key"]
    page = debug_page(lambda: update_connector(connector, **canary_settings()), rf.get("/"))
    assert "update_connector" in page
    assert "Fernet key must be" in page
    assert CANARY not in page


# --- Keys ---


def test_a_new_first_key_seals_and_the_former_still_opens(settings: Settings) -> None:
    old, new = generate_key(), generate_key()
    settings.SECRETS_KEYS = [old]
    sealed = Sealed.seal({"password": SecretStr(CANARY)})

    settings.SECRETS_KEYS = [new, old]
    assert sealed.open() == {"password": SecretStr(CANARY)}
    resealed = Sealed.seal(sealed.open())

    settings.SECRETS_KEYS = [new]
    assert resealed.open() == {"password": SecretStr(CANARY)}
    with pytest.raises(UndecryptableSecrets, match="SECRETS_KEYS"):
        sealed.open()


@pytest.mark.parametrize("token", [b"nonsense", b"gAAAAA", b"\xff\x00", b"\xff:x", b":", b"1:2:3"])
def test_ciphertext_that_was_tampered_with_does_not_open(token: bytes) -> None:
    with pytest.raises(UndecryptableSecrets):
        Sealed(token).open()


def test_a_connector_under_lost_keys_cannot_open_and_says_what_to_do(connector: Connector, settings: Settings) -> None:
    settings.SECRETS_KEYS = [generate_key()]
    with pytest.raises(CannotOpen) as raised:
        open_connection(connector)
    assert raised.value.reason is Reason.BAD_CONFIG
    assert "enter the secrets again" in raised.value.detail


def test_no_secrets_are_stored_as_nothing() -> None:
    assert Sealed.seal({}).token == b""
    assert Sealed(b"").open() == {}


def test_sealing_twice_gives_different_ciphertext() -> None:
    first, second = (Sealed.seal({"password": SecretStr(CANARY)}) for _ in range(2))
    assert first.token != second.token
    assert first != second
    assert first == Sealed(first.token)
    assert len({first, second, Sealed(first.token)}) == 2


@pytest.mark.parametrize("key", ["", "short", "!" * 44, "A" * 42])
def test_a_key_of_the_wrong_form_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="Fernet key"):
        check_key(key)


def test_a_generated_key_has_the_form_of_one() -> None:
    check_key(generate_key())
    assert generate_key() != generate_key()
