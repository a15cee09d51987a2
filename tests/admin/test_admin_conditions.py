"""Named conditions in the console."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from rules.models import NamedCondition
from spaces.models import Space
from spaces.roles import Role
from tests.admin.conftest import HOSTILE, make_member
from tests.factories import make_condition, make_rule

pytestmark = pytest.mark.django_db

ADD = "admin:rules_namedcondition_add"


def entered(space: Space, **fields: Any) -> dict[str, Any]:
    return {
        "name": "Hours",
        "public_id": "hours",
        "space": space.pk,
        "description": "Of the office",
        "condition": "now.getHours() < 18",
        **fields,
    }


def url(row: NamedCondition, page: str = "change") -> str:
    return reverse(f"admin:rules_namedcondition_{page}", args=[row.pk])


def errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return dict(answer.context["adminform"].form.errors)


def test_a_condition_is_made_changed_and_deleted(console: Client, space: Space) -> None:
    assert console.post(reverse(ADD), entered(space)).status_code == 302
    row = NamedCondition.objects.get()
    assert (row.public_id, row.space, row.description) == ("hours", space, "Of the office")
    assert console.post(url(row), entered(space, condition="true", public_id="x", seen_version=1)).status_code == 302
    row.refresh_from_db()
    assert (row.public_id, row.condition, row.version) == ("hours", "true", 2)
    assert "Somebody changed this" in str(errors(console.post(url(row), entered(space, seen_version=1))))
    assert console.post(url(row, "delete"), {"post": "yes"}).status_code == 302
    assert not NamedCondition.objects.exists()


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [({"public_id": "with-hyphen"}, "public_id"), ({"condition": "event.x >"}, "condition"), ({"name": ""}, "name")],
)
def test_an_error_stands_on_its_field(console: Client, space: Space, fields: dict[str, str], wrong: str) -> None:
    assert list(errors(console.post(reverse(ADD), entered(space, **fields)))) == [wrong]


def test_what_uses_it_is_shown_and_keeps_it(console: Client, space: Space) -> None:
    row = make_condition(space, "hours", name=HOSTILE)
    rule = make_rule(space, condition="conditions.hours", name="Late orders")
    page = console.get(url(row)).content.decode()
    assert "Late orders" in page
    assert HOSTILE not in page
    assert "Late orders" in console.get(url(row, "delete")).content.decode()
    console.post(url(row, "delete"), {"post": "yes"})
    assert NamedCondition.objects.filter(pk=row.pk).exists()
    assert rule.condition == "conditions.hours"


def test_a_viewer_sees_it_and_changes_nothing(client: Client, space: Space) -> None:
    row = make_condition(space, "hours")
    client.force_login(make_member(space, Role.VIEWER))
    assert "hours" in client.get(url(row)).content.decode()
    assert client.post(url(row), entered(space)).status_code == 403
