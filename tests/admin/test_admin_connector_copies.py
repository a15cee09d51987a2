"""Copies of connectors in the console."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from connectors.models import Connector, Status
from spaces.models import Space
from tests.admin.conftest import HOSTILE, make_connector, make_member
from tests.admin.samples import CANARY, make_preconfigured, make_sample, url

SUBMITTED = {"_form_submitted": "True", "name": "", "public_id": ""}

pytestmark = pytest.mark.usefixtures("sample_type")


def dialog(connector: Connector) -> str:
    return reverse("admin:connectors_connector_duplicate", args=[connector.pk])


def test_a_copy_gets_its_name_and_id_in_a_dialog(console: Client, space: Space) -> None:
    connector = make_sample(space, secrets={"token": CANARY}, tags=["a"])
    assert dialog(connector) in console.get(url(connector)).content.decode()
    shown = console.get(dialog(connector)).content.decode()
    assert 'name="name"' in shown
    assert 'name="public_id"' in shown
    answer = console.post(dialog(connector), {**SUBMITTED, "name": "Second", "public_id": "second"})
    copy = Connector.objects.get(public_id="second")
    assert answer["HX-Redirect"] == url(copy)
    assert (copy.name, copy.tags, copy.config, copy.status) == (
        "Second",
        ["a"],
        connector.config,
        Status.MISSING_SECRETS,
    )
    assert copy.missing_secrets == ["token"]
    assert copy.secrets.open() == {}


def test_name_and_id_are_made_up_when_none_are_written(console: Client, space: Space) -> None:
    connector = make_sample(space)
    console.post(dialog(connector), SUBMITTED)
    copy = Connector.objects.exclude(pk=connector.pk).get()
    assert copy.name == "My system (copy)"
    assert copy.public_id.startswith("con-")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"public_id": "mine"}, "is already taken"),
        ({"public_id": HOSTILE}, "id_public_id"),
        ({"name": "x" * 201}, "Use at most 200 characters"),
        ({"name": "a\u202eb"}, "U+202E"),
        ({"name": "a\x00b"}, "Null characters"),
    ],
)
def test_what_is_wrong_stands_in_the_dialog(console: Client, space: Space, fields: dict[str, str], said: str) -> None:
    connector = make_sample(space)
    answer = console.post(dialog(connector), {**SUBMITTED, **fields})
    text = answer.content.decode()
    assert 'id="dialog-form"' in text
    assert 'class="errors' in text
    assert said in text
    assert "<script>" not in text
    assert Connector.objects.count() == 1


def test_a_connector_that_cannot_be_copied_says_why(console: Client, space: Space) -> None:
    lost = make_connector(space, type="gone")
    assert "gone" in console.post(dialog(lost), SUBMITTED).content.decode()
    lost.delete()
    assert "HX-Redirect" in console.post(dialog(lost), SUBMITTED)
    shared = make_preconfigured()
    assert dialog(shared) not in console.get(url(shared)).content.decode()
    assert console.post(dialog(shared), SUBMITTED).status_code == 403
    assert Connector.objects.count() == 1


def test_who_may_not_add_copies_nothing(client: Client, admin: User, space: Space) -> None:
    connector = make_sample(space)
    client.force_login(make_member(space, "operator"))
    assert client.post(dialog(connector), SUBMITTED).status_code == 403
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin)
    assert strict.post(dialog(connector), SUBMITTED).status_code == 403
    assert Connector.objects.count() == 1
