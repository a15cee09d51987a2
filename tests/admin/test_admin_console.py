"""Every page of every registered admin, the first page, and what frames them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from actions.models import Delivery, DeliveryJob, EventLogEntry
from connectors_project import dashboard
from rules.models import Event, Rule
from spaces.admin.base import ModelAdmin
from spaces.models import Space
from spaces.services import create_api_key
from tests.admin.conftest import (
    HOSTILE,
    make_action,
    make_connector,
    make_delivery,
    make_entry,
    make_event,
    make_member,
)
from tests.api.client import make_alert
from tests.factories import make_kafka_connector, make_source, make_window

INDEX = "admin:index"
REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label)


def make_everything(space: Space) -> None:
    action = make_action(make_connector(space))
    make_entry(make_delivery(make_event(space), action))
    Rule.objects.create(space=space, public_id="rule-1", name="Rule").actions.set([action])
    make_alert(space)
    make_source(make_kafka_connector(space))
    make_window(space)
    DeliveryJob.objects.create(space=space, kind="replay", rate=1, total=1, last=1, created_by="root")
    create_api_key(space, "Key")
    Group.objects.create(name="Group")
    interval = IntervalSchedule.objects.create(every=5, period="seconds")
    CrontabSchedule.objects.create()
    SolarSchedule.objects.create(event="sunrise", latitude=1, longitude=1)
    ClockedSchedule.objects.create(clocked_time=timezone.now())
    PeriodicTask.objects.create(name="Task", task="x", interval=interval)


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label)
def test_every_admin_is_built_on_the_consoles_classes(model: Any) -> None:
    model_admin = admin.site.get_model_admin(model)
    assert isinstance(model_admin, ModelAdmin)
    for inline in model_admin.inlines:
        assert inline.__mro__[-1] is object
        assert any(base.__module__ == "unfold.admin" for base in inline.__mro__)


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label)
@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
def test_every_page_opens(console: Client, space: Space, model: Any, filled: bool) -> None:
    if filled:
        make_everything(space)
    model_admin, name = admin.site.get_model_admin(model), f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert console.get(reverse(f"{name}_changelist")).status_code == 200
    assert console.get(reverse(f"{name}_changelist"), {"q": "x"}).status_code == 200
    assert console.get(reverse("admin:app_list", args=[model._meta.app_label])).status_code == 200
    request = console.get(reverse(INDEX)).wsgi_request
    assert console.get(reverse(f"{name}_add")).status_code == (200 if model_admin.has_add_permission(request) else 403)
    for row in model._default_manager.all():
        assert console.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200
        assert console.get(reverse(f"{name}_history", args=[row.pk])).status_code == 200
        allowed = model_admin.has_delete_permission(request, row)
        assert console.get(reverse(f"{name}_delete", args=[row.pk])).status_code == (200 if allowed else 403)


def test_the_first_page_opens_with_nothing(console: Client) -> None:
    text = console.get(reverse(INDEX)).content.decode()
    assert "Send an event" in text
    assert "/api/v1/spaces/default/events" in text


def card(text: str, title: str) -> str:
    """Return the number on the card with this title."""
    found = re.search(rf">\s*{title}\s*</p>\s*<div[^>]*>\s*([\d,+]+)\s*</div>", text)
    assert found, title
    return found[1]


def test_the_first_page_counts_the_last_hour_and_what_waits(console: Client, space: Space) -> None:
    action = make_action(make_connector(space))
    for number, state in enumerate(["pending", "pending", "delivered", "dead"]):
        make_entry(make_delivery(make_event(space, number), action, state=state), message=f"Failure {number}")
    long_ago = timezone.now() - timedelta(hours=2)
    make_event(space, 9, received_at=long_ago)
    make_entry(Delivery.objects.order_by("pk")[0], time=long_ago)
    text = console.get(reverse(INDEX)).content.decode()
    assert card(text, "Events") == "4"
    assert card(text, "Deliveries pending") == "2"
    assert card(text, "Deliveries dead") == "1"
    assert card(text, "Failures") == "4"
    assert "Failure 3" in text


def test_the_first_page_counts_no_more_than_its_bound(
    console: Client, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "COUNTED_ROWS", 2)
    action = make_action(make_connector(space))
    for number in range(5):
        make_entry(make_delivery(make_event(space, number), action))
    text = console.get(reverse(INDEX)).content.decode()
    assert [card(text, title) for title in ("Events", "Deliveries pending", "Failures")] == ["2+", "2+", "2+"]


@pytest.mark.parametrize("role", ["superuser", "viewer"])
def test_no_query_of_the_first_page_reads_a_hot_table_whole(console: Client, space: Space, role: str) -> None:
    if role == "viewer":
        console.force_login(make_member(space, role))
    with CaptureQueriesContext(connection) as queries:
        console.get(reverse(INDEX))
    hot = [model._meta.db_table for model in (Event, Delivery, EventLogEntry)]
    for query in (query["sql"] for query in queries):
        if any(f'"{table}"' in query for table in hot):
            bounded = "MAX(" in query or "LIMIT" in query or re.search(r'"id" > +\(?-?\d+', query)
            assert bounded, query


def test_what_failed_is_escaped_on_the_first_page(console: Client, space: Space) -> None:
    make_entry(make_delivery(make_event(space), make_action(make_connector(space))), message=HOSTILE)
    text = console.get(reverse(INDEX)).content.decode()
    assert "alert(1)" in text
    assert "<script>alert" not in text
    assert "<img src=x" not in text


def test_staff_sees_of_the_first_page_and_the_sidebar_what_it_may(
    client: Client, space: Space, other_space: Space
) -> None:
    make_entry(make_delivery(make_event(space), make_action(make_connector(space))), message="Nobody's business")
    make_entry(make_delivery(make_event(other_space), make_action(make_connector(other_space))), message="Hers")
    client.force_login(make_member(other_space, "viewer"))
    text = client.get(reverse(INDEX)).content.decode()
    for title in ("Events", "Deliveries pending", "Failures"):
        assert card(text, title) == "1"
    assert "Hers" in text
    assert "business" not in text
    assert "/api/v1/spaces/other/events" in text
    for page, is_open in (
        ("rules_event", True),
        ("spaces_space", True),
        ("spaces_apikey", False),
        ("auth_user", False),
    ):
        assert (reverse(f"admin:{page}_changelist") in text) is is_open


def test_staff_that_belongs_to_no_space_is_told_so(client: Client, space: Space) -> None:
    client.force_login(User.objects.create(username="staff", is_staff=True))
    text = client.get(reverse(INDEX)).content.decode()
    assert "You belong to no space." in text
    assert "/api/v1/spaces/" not in text


def test_nobody_else_gets_in(client: Client, space: Space) -> None:
    for user in (None, User.objects.create(username="nobody")):
        if user:
            client.force_login(user)
        for name in (INDEX, "admin:connectors_connector_changelist", "admin:actions_delivery_changelist"):
            assert client.get(reverse(name)).status_code == 302


def test_no_page_asks_another_host_for_anything(console: Client, space: Space) -> None:
    make_everything(space)
    delivery = Delivery.objects.get()
    for page in (
        reverse(INDEX),
        reverse("admin:rules_rule_add"),
        reverse("admin:connectors_connector_add"),
        reverse("admin:actions_delivery_changelist"),
        reverse("admin:actions_delivery_change", args=[delivery.pk]),
    ):
        text = console.get(page).content.decode()
        sources = re.findall(r'<(?:script|img|iframe)[^>]+src="([^"]+)"|<link[^>]+href="([^"]+)"', text)
        assert [source for pair in sources for source in pair if re.match(r"\w+:|//", source)] == []


def test_the_search_finds_objects_by_name(console: Client, space: Space) -> None:
    make_connector(space, name="Findable")
    text = console.get(reverse("admin:search"), {"s": "findable", "extended": "1"}).content.decode()
    assert "Findable" in text
