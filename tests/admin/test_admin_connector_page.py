"""A connector's page: how it is, what it lacks, what uses it, and what of it nobody may change here."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from connectors.models import Connector, Status
from connectors.outcomes import Reason
from connectors.services import create_connector, duplicate_connector
from connectors.services.circuits import observe
from rules.models import Rule
from spaces.models import Space
from tests.admin.conftest import HOSTILE, make_action, make_member
from tests.admin.samples import LIST, entered, form_errors, make_preconfigured, make_sample, url

pytestmark = pytest.mark.usefixtures("sample_type")


def test_tags_and_the_health_interval_are_changed(console: Client, space: Space) -> None:
    connector = make_sample(space, tags=["old"])
    assert 'name="tags"' in console.get(url(connector)).content.decode()
    console.post(url(connector), entered(space, tags="a\r\n b \r\n", health_interval="60"))
    connector.refresh_from_db()
    assert (connector.tags, connector.health_interval) == (["a", "b"], 60)
    console.post(url(connector), entered(space, tags="", health_interval=""))
    connector.refresh_from_db()
    assert (connector.tags, connector.health_interval) == ([], None)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"tags": "a\r\n" + "x" * 51}, "tags"),
        ({"tags": "\r\n".join(map(str, range(21)))}, "tags"),
        ({"health_interval": "1"}, "health_interval"),
        ({"health_interval": "-1"}, "health_interval"),
        ({"health_interval": "9" * 30}, "health_interval"),
        ({"health_interval": "soon"}, "health_interval"),
        ({"max_concurrency": "0"}, "max_concurrency"),
        ({"max_concurrency": "1001"}, "max_concurrency"),
        ({"max_per_second": "0"}, "max_per_second"),
        ({"max_per_second": "nan"}, "max_per_second"),
    ],
)
def test_what_is_wrong_with_them_stands_on_their_fields(
    console: Client, space: Space, fields: dict[str, str], wrong: str
) -> None:
    connector = make_sample(space)
    assert list(form_errors(console.post(url(connector), entered(space, **fields)))) == [wrong]


def test_limits_are_changed(console: Client, space: Space) -> None:
    connector = make_sample(space)
    console.post(url(connector), entered(space, max_concurrency="7", max_per_second="0.5"))
    connector.refresh_from_db()
    assert (connector.max_concurrency, connector.max_per_second) == (7, 0.5)
    console.post(url(connector), entered(space, max_concurrency="", max_per_second=""))
    connector.refresh_from_db()
    assert (connector.max_concurrency, connector.max_per_second) == (None, None)


def test_the_page_shows_that_deliveries_are_held_and_when_they_are_tried(console: Client, space: Space) -> None:
    connector = make_sample(space)
    observe(connector.pk, Reason.RETRY_DNS, "No such name.", at_once=True)
    text = console.get(url(connector)).content.decode()
    panel = text[text.index('id="sy-status"') :]
    for shown in ("are held, until a trial succeeds", "Next trial", "Failing since"):
        assert shown in panel


def test_the_page_shows_the_status_and_its_history(console: Client, space: Space) -> None:
    connector = make_sample(space)
    observe(connector.pk, Reason.OK, "")
    for _ in range(3):
        observe(connector.pk, Reason.RETRY_DNS, f"No such name. {HOSTILE}")
    text = console.get(url(connector)).content.decode()
    panel = text[text.index('id="sy-status"') :]
    panel = panel[: panel.index("</section>")]
    for shown in ("Disconnected", "retry_dns", "No such name.", "Since", "Last check", "never"):
        assert shown in panel
    assert panel.index("Disconnected") < panel.rindex("Degraded") < panel.rindex("Connected")
    assert "alert(1)" in panel
    assert "<script>alert" not in text
    assert "<img src=x" not in text


def test_the_page_links_to_what_uses_the_connector(console: Client, space: Space) -> None:
    connector = make_sample(space)
    assert "No action sends through it, and no source reads through it." in console.get(url(connector)).content.decode()
    action = make_action(connector, name=f"The user {HOSTILE}")
    rule = Rule.objects.create(space=space, public_id="r", name=f"The rule {HOSTILE}")
    rule.actions.set([action])
    text = console.get(url(connector)).content.decode()
    assert reverse("admin:actions_action_change", args=[action.pk]) in text
    assert reverse("admin:rules_rule_change", args=[rule.pk]) in text
    assert "The user" in text
    assert "The rule" in text
    assert "<script>alert" not in text


def test_missing_secrets_are_named_and_lead_to_their_fields(console: Client, space: Space) -> None:
    copy = duplicate_connector(make_sample(space, secrets={"token": "x", "password": "y"}))
    text = console.get(url(copy)).content.decode()
    for name, title in (("token", "Token"), ("password", "Password")):
        assert f'href="#id_sample_secret_{name}">{title}</a>' in text
        assert f'id="id_sample_secret_{name}"' in text
    assert "Missing Secrets" in console.get(reverse(LIST)).content.decode()


def test_a_box_gives_up_a_secret_that_the_settings_do_without(console: Client, space: Space) -> None:
    copy = duplicate_connector(make_sample(space, secrets={"token": "x", "password": "y"}), public_id="copy")
    assert "Do without token" in console.get(url(copy)).content.decode()
    console.post(url(copy), entered(space, sample_secret_clear_token="on", sample_secret_password="new"))
    copy.refresh_from_db()
    assert (copy.missing_secrets, copy.is_missing_secrets, copy.status) == ([], False, Status.UNKNOWN)
    assert list(copy.secrets_set_at) == ["password"]


def test_a_secret_that_the_settings_need_cannot_be_given_up(console: Client, space: Space) -> None:
    config = {"url": "https://example.com/hook", "auth": "bearer"}
    connector = create_connector(space, type="http", name="Hook", config=config, secrets={})
    text = console.get(url(connector)).content.decode()
    assert 'href="#id_http_secret_token">Bearer token</a>' in text
    assert "Do without" not in text


def test_a_preconfigured_connector_is_shown_and_not_changed(console: Client, space: Space) -> None:
    connector = make_preconfigured(secrets_set_at={"token": "2025-01-01T00:00:00+00:00"})
    text = console.get(url(connector)).content.decode()
    assert "CONNECTORS_FILE" in text
    assert "example.com" in text
    assert "token (2025-01-01)" in text
    assert 'name="name"' not in text
    assert 'name="_save"' not in text
    assert console.post(url(connector), entered(space, name="New")).status_code == 403
    assert console.get(url(connector, "delete")).status_code == 403
    assert console.post(url(connector, "delete"), {"post": "yes", "confirm_id": "shared"}).status_code == 403
    connector.refresh_from_db()
    assert connector.name == "Shared"


def test_what_a_preconfigured_connector_hides_is_on_no_page(console: Client, space: Space) -> None:
    connector = make_preconfigured(config={"host": "hidden.example"}, exposes_config=False)
    make_action_in(space, connector)
    for page in (reverse(LIST), url(connector), url(connector, "history")):
        assert "hidden.example" not in console.get(page).content.decode()


def make_action_in(space: Space, connector: Connector) -> None:
    connector.actions.create(space=space, public_id="act", name="Action")


def test_switching_a_preconfigured_connector_off_is_refused_with_a_message(console: Client, space: Space) -> None:
    connector = make_preconfigured()
    mine = make_sample(space)
    chosen = {"action": "disable_selected", "_selected_action": [connector.pk, mine.pk], "index": 0}
    text = console.post(reverse(LIST), chosen, follow=True).content.decode()
    assert "is preconfigured and cannot be changed here" in text
    assert "1 connector disabled" in text
    connector.refresh_from_db()
    assert connector.enabled


def test_who_may_only_look_sees_settings_and_no_form(client: Client, space: Space) -> None:
    client.force_login(make_member(space, "viewer"))
    connector = make_sample(space, config={"host": "seen.example"})
    text = client.get(url(connector)).content.decode()
    assert json.dumps("seen.example").replace('"', "&quot;") in text
    assert 'name="sample_config_host"' not in text


def test_an_address_of_no_connector_is_no_server_error(console: Client, space: Space) -> None:
    for key in ("999", "x", "9" * 40):
        assert console.get(reverse("admin:connectors_connector_change", args=[key])).status_code == 302
