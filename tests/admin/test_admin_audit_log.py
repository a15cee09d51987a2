"""The audit log in the console: read, searched and narrowed, never written."""

import html
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connectors.services import update_connector
from spaces import audit
from spaces.models import AuditEntry, Space
from spaces.services import add_member
from tests.admin.conftest import HOSTILE
from tests.admin.samples import CANARY, make_sample, url

LIST = "admin:spaces_auditentry_changelist"

pytestmark = pytest.mark.usefixtures("sample_type")


def page(entry: AuditEntry, name: str = "change") -> str:
    return reverse(f"admin:spaces_auditentry_{name}", args=[entry.pk])


def listed(console: Client, **query: Any) -> list[str]:
    answer = console.get(reverse(LIST), query)
    assert answer.status_code == 200
    return [f"{entry.action} {entry.object_id}" for entry in answer.context["cl"].result_list]


def test_an_entry_shows_what_was_before_and_what_is_after(console: Client, space: Space) -> None:
    connector = make_sample(space, secrets={"token": CANARY})
    update_connector(connector, config={"host": "example.com", "topics": ["new"]}, secrets={"token": f"{CANARY}2"})
    entry = AuditEntry.objects.get(action="connector.update")
    text = html.unescape(console.get(page(entry)).content.decode())
    for shown in ("connector.update", "mine", "My system", "system", '"topics": []', '"new"', "<secret> (new)"):
        assert shown in text
    assert CANARY not in text


def test_the_list_tells_who_did_what_newest_first(console: Client, space: Space) -> None:
    connector = make_sample(space)
    console.post(url(connector, "delete"), {"confirm_id": "mine"})
    assert listed(console) == ["connector.delete mine", "connector.create mine"]
    text = console.get(reverse(LIST)).content.decode()
    for shown in ("admin", "127.0.0.1", "My system", "?public_id=mine"):
        assert shown in text


def test_the_list_is_narrowed_and_searched(console: Client, space: Space, other_space: Space) -> None:
    make_sample(space, public_id="a", name="First")
    make_sample(other_space, public_id="b", name="Second")
    audit.record("space.export", space=space, object_id=space.slug, object_name=space.name)
    assert listed(console, space__id__exact=other_space.pk) == ["connector.create b"]
    assert listed(console, action="space.export") == ["space.export default"]
    assert listed(console, action="unknown") == []
    assert len(listed(console, actor_kind__exact="system")) == 3
    assert listed(console, actor_kind__exact="user") == []
    assert listed(console, q="second") == ["connector.create b"]
    assert listed(console, q="space.export") == ["space.export default"]


def test_a_connectors_page_leads_to_its_entries(console: Client, space: Space) -> None:
    connector = make_sample(space)
    make_sample(space, public_id="other")
    audit.record("rule.update", space=space, object_id="mine")
    link = f"{reverse(LIST)}?object_id=mine&amp;action__startswith=connector.&amp;space__id__exact={space.pk}"
    assert link in console.get(url(connector)).content.decode()
    narrowed = {"object_id": "mine", "action__startswith": "connector.", "space__id__exact": space.pk}
    assert listed(console, **narrowed) == ["connector.create mine"]


def test_nobody_writes_it(console: Client, space: Space) -> None:
    make_sample(space)
    entry = AuditEntry.objects.get()
    assert console.get(reverse("admin:spaces_auditentry_add")).status_code == 403
    assert console.post(page(entry), {"actor": "nobody"}).status_code == 403
    assert console.post(page(entry, "delete"), {"post": "yes"}).status_code == 403
    assert "_save" not in console.get(page(entry)).content.decode()
    assert AuditEntry.objects.filter(actor="system").count() == 1


def test_what_is_recorded_stays_text(console: Client, space: Space) -> None:
    audit.record(
        "connector.update",
        space=None,
        object_id="x",
        object_name=HOSTILE,
        before={"name": HOSTILE},
        after={"name": HOSTILE + "2"},
    )
    AuditEntry.objects.update(actor=HOSTILE, action=f"{HOSTILE[:50]}.x")
    for address in (reverse(LIST), page(AuditEntry.objects.get())):
        text = console.get(address).content.decode()
        assert "alert(1)" in text
        assert "<script>alert" not in text
        assert "<img src=x" not in text


def test_an_entry_outlives_its_space(console: Client, space: Space) -> None:
    audit.record("space.delete", space=999, object_id="gone")
    assert listed(console) == ["space.delete gone"]
    assert console.get(page(AuditEntry.objects.get())).status_code == 200


def test_the_number_of_queries_of_the_list_does_not_grow(console: Client, space: Space) -> None:
    make_sample(space)
    with CaptureQueriesContext(connection) as few:
        console.get(reverse(LIST))
    for number in range(20):
        owner = Space.objects.create(slug=f"s{number}", name="S")
        make_sample(owner)
    with CaptureQueriesContext(connection) as many:
        console.get(reverse(LIST))
    assert len(many) == len(few)


def test_it_stands_in_the_sidebar_of_those_who_may_see_it(client: Client, space: Space) -> None:
    staff = User.objects.create(username="staff", is_staff=True)
    client.force_login(staff)
    assert client.get(reverse(LIST)).status_code == 403
    assert reverse(LIST) not in client.get(reverse("admin:index")).content.decode()
    add_member(space, staff, "admin")
    assert reverse(LIST) in client.get(reverse("admin:index")).content.decode()
    assert client.get(reverse(LIST)).status_code == 200
