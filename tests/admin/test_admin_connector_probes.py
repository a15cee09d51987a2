"""Tests of connectors in the console: of saved ones in a dialog, of what is entered beside the form."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from connectors.models import Connector, Status
from connectors.services import create_connector
from spaces.models import Space
from tests.admin.conftest import HOSTILE, make_member
from tests.admin.samples import ADD, CANARY, entered, make_preconfigured, make_sample, url

PROBE_SETTINGS = "admin:connectors_connector_probe_settings"
SUBMITTED = {"_form_submitted": "True"}

pytestmark = pytest.mark.usefixtures("sample_type")


def dialog(connector: Connector, name: str) -> str:
    return reverse(f"admin:connectors_connector_{name}", args=[connector.pk])


def settings_of(connector: Connector) -> str:
    return reverse(f"{PROBE_SETTINGS}_of", args=[connector.pk])


@pytest.fixture
def blocked(space: Space, settings: Settings) -> Connector:
    """A connector to an address that the network policy has come to refuse."""
    config = {"url": "http://127.0.0.1:8099/hook"}
    made = create_connector(space, type="http", name="Blocked", public_id="blocked", config=config, secrets={})
    settings.NETWORK_ALLOWED_PRIVATE = []
    return made


@pytest.mark.parametrize("name", ["probe", "reconnect"])
def test_a_dialog_asks_and_its_answer_shows_the_steps(console: Client, space: Space, name: str) -> None:
    connector = make_sample(space)
    page = console.get(url(connector)).content.decode()
    assert f'hx-get="{dialog(connector, name)}"' in page
    assert 'id="dialog"' in console.get(dialog(connector, name)).content.decode()
    connector.refresh_from_db()
    assert connector.status == Status.UNKNOWN
    text = console.post(dialog(connector, name), SUBMITTED).content.decode()
    for shown in ('id="dialog-form"', "It works.", "open", "It is open.", "passed", " ms", 'name="_form_submitted"'):
        assert shown in text
    assert 'id="sy-status" hx-swap-oob="true"' in text
    assert "Connected" in text
    connector.refresh_from_db()
    assert connector.status == Status.CONNECTED


def test_a_failed_step_says_why_and_what_to_do(console: Client, blocked: Connector) -> None:
    text = console.post(dialog(blocked, "probe"), SUBMITTED).content.decode()
    for shown in ("It does not work.", "failed", "blocked_target", "NETWORK_ALLOWED_PRIVATE"):
        assert shown in text


def test_reconnecting_lets_one_result_decide_where_a_test_does_not(console: Client, blocked: Connector) -> None:
    console.post(dialog(blocked, "probe"), SUBMITTED)
    blocked.refresh_from_db()
    assert blocked.status == Status.DEGRADED
    console.post(dialog(blocked, "reconnect"), SUBMITTED)
    blocked.refresh_from_db()
    assert blocked.status == Status.DISCONNECTED


@pytest.mark.parametrize("name", ["probe", "reconnect"])
def test_a_preconfigured_connector_is_tested(console: Client, space: Space, name: str) -> None:
    assert "It is open." in console.post(dialog(make_preconfigured(), name), SUBMITTED).content.decode()


@pytest.mark.parametrize("name", ["probe", "reconnect"])
def test_one_that_is_gone_leads_back_to_the_list(console: Client, space: Space, name: str) -> None:
    for key in ("999", "x"):
        answer = console.post(reverse(f"admin:connectors_connector_{name}", args=[key]), SUBMITTED)
        assert (answer.status_code, answer["HX-Redirect"]) == (200, reverse("admin:connectors_connector_changelist"))


def test_settings_are_tested_before_they_are_saved(console: Client, space: Space) -> None:
    page = console.get(reverse(ADD)).content.decode()
    assert f'data-probe="{reverse(PROBE_SETTINGS)}"' in page
    assert "connectors/probe.js" in page
    answer = console.post(reverse(PROBE_SETTINGS), entered(space, name="", sample_secret_token=CANARY))
    text = answer.content.decode()
    assert "It works." in text
    assert "<form" not in text
    assert "<html" not in text
    assert CANARY not in text
    assert not Connector.objects.exists()


@pytest.mark.parametrize(
    ("fields", "anchor"),
    [
        ({"sample_config_host": ""}, "id_sample_config_host"),
        ({"sample_config_port": "70000"}, "id_sample_config_port"),
        ({"sample_config_labels": "forbidden: x"}, "id_sample_config_labels"),
        ({"sample_config_host": "a\x00b"}, "id_sample_config_host"),
        ({"type": "unknown"}, "id_type"),
        ({"space": ""}, "id_space"),
        ({"space": "999"}, "id_space"),
    ],
)
def test_what_is_wrong_with_the_settings_leads_to_its_field(
    console: Client, space: Space, fields: dict[str, str], anchor: str
) -> None:
    text = console.post(reverse(PROBE_SETTINGS), entered(space, **fields)).content.decode()
    assert "cannot be tested yet" in text
    assert f'href="#{anchor}"' in text


def test_settings_are_tested_with_the_secrets_that_are_stored(console: Client, space: Space) -> None:
    connector = make_sample(space, secrets={"token": CANARY})
    assert f'data-probe="{settings_of(connector)}"' in console.get(url(connector)).content.decode()
    same = console.post(settings_of(connector), entered(space)).content.decode()
    assert "It works." in same
    moved = console.post(settings_of(connector), entered(space, sample_config_host="evil.example")).content.decode()
    assert 'href="#id_sample_secret_token"' in moved
    assert "Enter this secret again" in moved
    assert CANARY not in same + moved
    connector.refresh_from_db()
    assert (connector.config["host"], connector.status) == ("example.com", Status.UNKNOWN)


def test_what_is_entered_stays_text(console: Client, space: Space) -> None:
    config = {"type": "http", "http_config_url": f"http://{HOSTILE}/", "http_config_headers": HOSTILE}
    for fields in ({"sample_config_labels": HOSTILE}, {"sample_config_port": HOSTILE}, {"type": HOSTILE}, config):
        text = console.post(reverse(PROBE_SETTINGS), entered(space, **fields)).content.decode()
        assert "<script>" not in text
        assert "<img" not in text


def test_what_a_step_finds_stays_text(console: Client, space: Space) -> None:
    connector = make_sample(space, config={"host": HOSTILE})
    for answer in (
        console.post(dialog(connector, "probe"), SUBMITTED),
        console.post(reverse(PROBE_SETTINGS), entered(space, sample_config_host=HOSTILE)),
    ):
        text = answer.content.decode()
        assert text.count("alert(1)") == 2
        assert "<script>" not in text
        assert "<img" not in text


def test_tests_are_posted_with_a_token_only(admin: User, space: Space) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin)
    connector = make_sample(space)
    for address in (reverse(PROBE_SETTINGS), settings_of(connector)):
        assert strict.get(address).status_code == 405
        assert strict.post(address, entered(space)).status_code == 403
    for name in ("probe", "reconnect"):
        assert strict.post(dialog(connector, name), SUBMITTED).status_code == 403
    connector.refresh_from_db()
    assert connector.status == Status.UNKNOWN


def test_one_that_does_not_exist_has_no_settings_to_test(console: Client, space: Space) -> None:
    assert console.post(reverse(f"{PROBE_SETTINGS}_of", args=[999]), entered(space)).status_code == 404


def test_a_preconfigured_connector_lends_its_secrets_to_no_other_settings(console: Client, space: Space) -> None:
    connector = make_preconfigured()
    assert "data-probe" not in console.get(url(connector)).content.decode()
    assert console.post(settings_of(connector), entered(space)).status_code == 403


@pytest.mark.parametrize(
    ("role", "saved", "unsaved"), [("viewer", 403, 403), ("operator", 200, 403), ("editor", 200, 200)]
)
def test_who_may_operate_tests_what_is_saved_and_who_may_edit_what_is_not(
    client: Client, space: Space, role: str, saved: int, unsaved: int
) -> None:
    client.force_login(make_member(space, role))
    connector = make_sample(space)
    answers: list[Any] = [
        client.post(address, data)
        for address, data in (
            (dialog(connector, "probe"), SUBMITTED),
            (dialog(connector, "reconnect"), SUBMITTED),
            (settings_of(connector), entered(space)),
        )
    ]
    assert [answer.status_code for answer in answers] == [saved, saved, unsaved]
    assert client.post(reverse(PROBE_SETTINGS), entered(space)).status_code == unsaved
    assert (dialog(connector, "probe") in client.get(url(connector)).content.decode()) is (saved == 200)
