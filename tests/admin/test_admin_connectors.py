"""Connectors in the console: every write goes through the services, and errors land where they belong."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from connectors.models import Connector
from connectors.services import update_connector
from spaces.models import Space
from tests.admin.conftest import HOSTILE, make_action, make_connector
from tests.admin.samples import ADD, CANARY, LIST, entered, form_errors, make_sample, url

PAGES = ("change", "delete", "history")

pytestmark = pytest.mark.usefixtures("sample_type")


def test_the_form_has_the_fields_of_a_type_that_is_only_a_folder(console: Client, space: Space) -> None:
    text = console.get(reverse(ADD)).content.decode()
    assert 'value="sample">Sample system' in text
    for name in ("sample_config_host", "sample_config_port", "sample_config_labels", "sample_secret_token"):
        assert f'name="{name}"' in text
    assert "type === &#x27;sample&#x27;" in text
    assert "Name of the machine." in text


def test_a_connector_is_created_through_the_service(console: Client, space: Space) -> None:
    revision = space.config_revision
    answer = console.post(
        reverse(ADD),
        entered(space, sample_config_topics="a\r\nb", sample_config_labels="k: v", sample_secret_token=CANARY),
    )
    assert answer.status_code == 302
    connector = Connector.objects.get(public_id="mine", space=space)
    assert connector.config == {"host": "example.com", "port": 7, "topics": ["a", "b"], "labels": {"k": "v"}}
    assert {name: each.get_secret_value() for name, each in connector.secrets.open().items()} == {"token": CANARY}
    space.refresh_from_db()
    assert space.config_revision > revision


def test_an_id_is_made_when_none_is_entered(console: Client, space: Space) -> None:
    assert console.post(reverse(ADD), entered(space, public_id="")).status_code == 302
    assert Connector.objects.get().public_id.startswith("con-")


def test_only_the_chosen_types_fields_are_checked(console: Client, space: Space) -> None:
    other = {name: "nonsense" for name in console.get(reverse(ADD)).context["adminform"].form.fields if "http_" in name}
    assert other
    assert console.post(reverse(ADD), entered(space, **other)).status_code == 302


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": ""}, "name"),
        ({"name": " \t "}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"public_id": "Not An ID"}, "public_id"),
        ({"public_id": "x" * 65}, "public_id"),
        ({"type": "unknown"}, "type"),
        ({"space": "999"}, "space"),
        ({"sample_config_host": ""}, "sample_config_host"),
        ({"sample_config_port": "70000"}, "sample_config_port"),
        ({"sample_config_labels": "no colon"}, "sample_config_labels"),
        ({"sample_config_labels": "forbidden: x"}, "sample_config_labels"),
        ({"sample_config_labels": '{"a": 1}'}, "sample_config_labels"),
        ({"sample_config_host": "a\x00b"}, "sample_config_host"),
    ],
)
def test_an_error_stands_on_the_field_it_belongs_to(
    console: Client, space: Space, fields: dict[str, str], wrong: str
) -> None:
    assert list(form_errors(console.post(reverse(ADD), entered(space, **fields)))) == [wrong]
    assert not Connector.objects.exists()


def test_an_id_that_is_taken_is_refused_at_its_field(console: Client, space: Space) -> None:
    make_sample(space)
    assert list(form_errors(console.post(reverse(ADD), entered(space)))) == ["public_id"]


def test_the_same_id_may_stand_in_another_space(console: Client, space: Space, other_space: Space) -> None:
    make_sample(other_space)
    assert console.post(reverse(ADD), entered(space)).status_code == 302


def test_a_connector_is_changed_and_keeps_the_secrets_that_are_left_empty(console: Client, space: Space) -> None:
    connector = make_sample(space, secrets={"token": CANARY, "password": "old"})
    answer = console.post(
        url(connector), {**entered(space, name="New name"), "sample_secret_password": "new", "sample_config_port": "7"}
    )
    assert answer.status_code == 302
    connector.refresh_from_db()
    opened = {name: each.get_secret_value() for name, each in connector.secrets.open().items()}
    assert (connector.name, connector.version, opened) == ("New name", 2, {"token": CANARY, "password": "new"})


def test_what_somebody_else_changed_meanwhile_is_not_undone(console: Client, space: Space) -> None:
    connector = make_sample(space)
    text = console.get(url(connector)).content.decode()
    assert 'name="seen_version" value="1"' in text
    update_connector(connector, name="Theirs")
    answer = console.post(url(connector), entered(space, name="Ours", seen_version="1"))
    assert "Somebody changed this" in form_errors(answer)["__all__"][0]
    connector.refresh_from_db()
    assert connector.name == "Theirs"


def test_a_box_clears_a_secret(console: Client, space: Space) -> None:
    connector = make_sample(space, secrets={"token": CANARY})
    console.post(url(connector), {**entered(space), "sample_secret_clear_token": "on"})
    connector.refresh_from_db()
    assert connector.secrets.open() == {}


def test_a_secret_does_not_follow_to_another_target_unless_entered_again(console: Client, space: Space) -> None:
    connector = make_sample(space, secrets={"token": CANARY})
    moved = entered(space, sample_config_host="evil.example")
    assert list(form_errors(console.post(url(connector), moved))) == ["sample_secret_token"]
    connector.refresh_from_db()
    assert connector.config["host"] == "example.com"


def test_id_space_and_type_never_change(console: Client, space: Space, other_space: Space) -> None:
    connector = make_sample(space)
    console.post(url(connector), entered(other_space, public_id="moved", type="http"))
    connector.refresh_from_db()
    assert (connector.public_id, connector.space, connector.type) == ("mine", space, "sample")


def test_no_page_holds_a_secret(console: Client, space: Space) -> None:
    connector = make_sample(space, secrets={"token": CANARY})
    token = connector.secrets.token.decode()
    wrong = {**entered(space, name=""), "sample_secret_token": CANARY}
    pages = [console.get(page) for page in (reverse(LIST), *(url(connector, each) for each in PAGES))]
    pages += [console.post(url(connector), wrong), console.post(reverse(ADD), wrong)]
    for page in pages:
        assert page.status_code == 200
        assert CANARY not in page.content.decode()
        assert token not in page.content.decode()


def test_deletion_needs_the_id_to_be_written(console: Client, space: Space) -> None:
    connector = make_sample(space)
    assert "confirm_id" in console.get(url(connector, "delete")).content.decode()
    console.post(url(connector, "delete"), {"post": "yes", "confirm_id": "another"})
    assert Connector.objects.exists()
    console.post(url(connector, "delete"), {"post": "yes", "confirm_id": "mine"})
    assert not Connector.objects.exists()


def test_a_connector_in_use_is_not_deleted_and_its_users_are_named(console: Client, space: Space) -> None:
    connector = make_sample(space)
    action = make_action(connector, name="The user")
    for answer in (
        console.get(url(connector, "delete")),
        console.post(url(connector, "delete"), {"post": "yes", "confirm_id": "mine"}, follow=True),
    ):
        text = answer.content.decode()
        assert "The user" in text
        assert reverse("admin:actions_action_change", args=[action.pk]) in text
    assert Connector.objects.exists()


def test_connectors_are_disabled_and_enabled_together(console: Client, space: Space) -> None:
    connectors = [make_sample(space, public_id=f"c{number}") for number in range(3)]
    chosen = [connector.pk for connector in connectors[:2]]
    for action, states in (("disable_selected", [False, False, True]), ("enable_selected", [True, True, True])):
        console.post(reverse(LIST), {"action": action, "_selected_action": chosen, "index": 0})
        assert list(Connector.objects.order_by("pk").values_list("enabled", flat=True)) == states
    assert Connector.objects.get(pk=chosen[0]).version == 3


def test_nothing_deletes_many_connectors_past_the_service(console: Client, space: Space) -> None:
    connector = make_sample(space)
    chosen = {"action": "delete_selected", "_selected_action": connector.pk, "index": 0, "post": "yes"}
    console.post(reverse(LIST), chosen)
    assert Connector.objects.exists()


def test_names_and_settings_are_escaped(console: Client, space: Space) -> None:
    connector = make_sample(space, name=HOSTILE, config={"host": HOSTILE, "labels": {"a": HOSTILE}})
    make_action(connector, name=HOSTILE)
    for page in (reverse(LIST), *(url(connector, each) for each in PAGES)):
        text = console.get(page).content.decode()
        assert "alert(1)" in text
        assert "<script>alert" not in text
        assert "<img src=x" not in text


def test_a_connector_whose_type_is_not_installed_is_still_shown(console: Client, space: Space) -> None:
    connector = make_connector(space, type="gone")
    assert "gone (not installed)" in console.get(reverse(LIST)).content.decode()
    assert console.get(url(connector)).status_code == 200
    answer = console.post(url(connector), {"name": "New", "enabled": "on"})
    assert "gone" in str(form_errors(answer)["__all__"])


def test_one_that_was_deleted_meanwhile_is_no_server_error(console: Client, space: Space) -> None:
    connector = make_sample(space)
    page = url(connector)
    connector.delete()
    assert console.post(page, entered(space)).status_code == 302


def test_staff_without_permission_sees_and_changes_nothing(client: Client, space: Space) -> None:
    client.force_login(User.objects.create(username="staff", is_staff=True))
    connector = make_sample(space)
    assert client.get(reverse(LIST)).status_code == 403
    assert client.post(url(connector), entered(space)).status_code == 403
    assert client.post(reverse(ADD), entered(space, public_id="x")).status_code == 403
    assert client.post(url(connector, "delete"), {"post": "yes", "confirm_id": "mine"}).status_code == 403
