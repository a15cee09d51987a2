"""Dead letters in the console: sent again, changed and cancelled, one or all that the list shows."""

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from actions.models import Action, Delivery, DeliveryJob
from actions.services.jobs import work_jobs
from spaces.models import AuditEntry, Space
from tests.admin.conftest import HOSTILE, make_event, make_member
from tests.factories import connector_of, make_action, make_connector

pytestmark = pytest.mark.django_db

MESSAGE = {"path": "", "method": "POST", "query": {}, "headers": {}, "body": {"n": 1}}
LIST = "admin:actions_delivery_changelist"
# What a dialog of the console sends.
CONFIRMED = {"_form_submitted": "on"}


@pytest.fixture
def action(space: Space) -> Action:
    return make_action(make_connector(space, public_id="desk"), public_id="tell")


def make_dead(action: Action, number: int = 1, **values: Any) -> Delivery:
    given = {
        **{"rule_id": "r7", "state": "dead", "last_reason": "expired"},
        **{"finished_at": "2026-01-01T00:00:00Z", "message": MESSAGE},
    }
    return Delivery.objects.create(
        space=action.space,
        event_id=make_event(action.space, number).pk,
        action=action,
        connector=action.connector,
        **given | values,
    )


def url(name: str, row: Any) -> str:
    return reverse(f"admin:actions_{name}", args=[row.pk])


def stored(row: Delivery) -> Delivery:
    return Delivery.objects.get(pk=row.pk)


def test_a_dead_letter_is_sent_again_from_its_page(console: Client, action: Action) -> None:
    row = make_dead(action)
    answer = console.post(url("delivery_replay", row), CONFIRMED)
    assert answer["HX-Redirect"] == url("delivery_change", row)
    assert stored(row).state == "pending"
    console.post(url("delivery_replay", row), CONFIRMED)
    assert "has not ended" in console.get(url("delivery_change", row)).content.decode()


def test_looking_at_a_dialog_does_nothing(console: Client, action: Action) -> None:
    row = make_dead(action)
    for page in ("replay", "cancel"):
        assert console.get(url(f"delivery_{page}", row)).status_code == 200
    assert stored(row).state == "dead"


def test_a_waiting_delivery_is_cancelled_from_its_page(console: Client, action: Action) -> None:
    row = make_dead(action, state="pending", last_reason="", finished_at=None)
    console.post(url("delivery_cancel", row), CONFIRMED)
    assert (stored(row).state, stored(row).last_reason) == ("dead", "cancelled")


def test_a_message_is_changed_and_sent_from_its_page(console: Client, action: Action) -> None:
    row = make_dead(action)
    page = url("delivery_edit_message", row)
    assert "&quot;n&quot;: 1" in console.get(page).content.decode()
    answer: Any = console.post(page, {"message": json.dumps({**MESSAGE, "body": {"n": 2}})})
    made = Delivery.objects.get(former_id=row.pk)
    assert answer["Location"] == url("delivery_change", made)
    assert (made.message["body"], stored(row).state) == ({"n": 2}, "dead")
    assert url("delivery_change", row) in console.get(url("delivery_change", made)).content.decode()
    assert url("delivery_change", made) in console.get(url("delivery_change", row)).content.decode()
    assert AuditEntry.objects.get(action="delivery.edit").actor == "admin"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "This field is required"),
        ("{", "JSON"),
        ("[]", "JSON object"),
        ('{"method": "BREW"}', "method"),
        ('{"a": 1, "a": 2}', "twice"),
        (json.dumps(MESSAGE), "This is the message as it was"),
        (json.dumps({"body": HOSTILE, "x": HOSTILE}), "There is no such field"),
    ],
)
def test_a_message_that_cannot_be_sent_is_refused_on_the_page(
    console: Client, action: Action, written: str, said: str
) -> None:
    answer = console.post(url("delivery_edit_message", make_dead(action)), {"message": written})
    text = answer.content.decode()
    assert answer.status_code == 200
    assert said in text
    assert "<script>alert" not in text
    assert Delivery.objects.count() == 1


def all_page(kind: str, **query: Any) -> str:
    return f"{reverse(f'admin:actions_delivery_{kind}_all')}?{'&'.join(f'{k}={v}' for k, v in query.items())}"


def test_all_that_the_list_shows_are_sent_again_after_the_count_was_shown(
    console: Client, action: Action, space: Space
) -> None:
    rows = [make_dead(action, number) for number in (1, 2, 3)]
    make_dead(make_action(connector_of(action)), 4)
    query: dict[str, Any] = {
        "space__id__exact": space.pk,
        "action__id__exact": action.pk,
        "last_reason__exact": "expired",
    }
    listed = console.get(reverse(LIST), query).content.decode()
    (link,) = re.findall(r'href="([^"]*replay-all/[^"]*)"', listed)
    page = console.get(link.replace("&amp;", "&"))
    assert "Send 3 deliveries" in re.sub(r"\s+", " ", page.content.decode())
    assert not DeliveryJob.objects.exists()
    (key,) = re.findall(r'name="key" value="([^"]+)"', page.content.decode())
    for _ in range(2):  # a double click
        answer: Any = console.post(link.replace("&amp;", "&"), {"key": key, "rate": 100})
    job = DeliveryJob.objects.get()
    assert answer["Location"] == url("deliveryjob_change", job)
    assert job.filter == {"state": "dead", "reason": "expired", "action": "tell"}
    assert (job.rate, job.created_by) == (100, "admin")
    work_jobs()
    assert {row.pk for row in Delivery.objects.filter(state="pending")} == {row.pk for row in rows}
    assert "3 of 3" in console.get(url("deliveryjob_change", job)).content.decode()


def test_all_that_wait_are_cancelled(console: Client, action: Action, space: Space) -> None:
    for number in (1, 2):
        make_dead(action, number, state="pending", last_reason="", finished_at=None)
    link = all_page("cancel", space__id__exact=space.pk, q="r7")
    page = console.get(link).content.decode()
    assert "Cancel 2 deliveries" in re.sub(r"\s+", " ", page)
    (key,) = re.findall(r'name="key" value="([^"]+)"', page)
    console.post(link, {"key": key})
    work_jobs()
    assert Delivery.objects.filter(state="dead", last_reason="cancelled").count() == 2


@pytest.mark.parametrize(
    "query",
    [
        {"space__id__exact": "99999"},
        {"space__id__exact": "x"},
        {"state__exact": "pending"},
        {"state__exact": "\0"},
        {"event_id__exact": "x"},
        {"last_detail__contains": "x"},
        {"action__id__exact": "9" * 40},
    ],
)
def test_a_list_that_no_job_can_be_about_starts_none(console: Client, action: Action, query: dict[str, str]) -> None:
    make_dead(action)
    given = {"space__id__exact": str(action.space_id), **query}
    answer = console.post(all_page("replay", **given), {"key": "0" * 32, "rate": 1})
    assert answer.status_code in (200, 400)
    assert not DeliveryJob.objects.exists()


def test_with_several_spaces_one_has_to_be_chosen_first(console: Client, action: Action, other_space: Space) -> None:
    assert "one space first" in console.get(all_page("replay")).content.decode()


def test_a_job_is_about_the_spaces_of_ones_role_only(client: Client, action: Action, other_space: Space) -> None:
    make_dead(action)
    client.force_login(make_member(other_space, "operator"))
    link = all_page("replay", space__id__exact=action.space_id)
    assert "one space first" in client.get(link).content.decode()
    client.post(link, {"key": "0" * 32, "rate": 1})
    client.post(all_page("replay"), {"key": "1" * 32, "rate": 1})
    assert not DeliveryJob.objects.exists()


def test_a_viewer_is_shown_no_button(client: Client, action: Action, space: Space) -> None:
    row = make_dead(action)
    client.force_login(make_member(space, "viewer"))
    assert "replay-all" not in client.get(reverse(LIST)).content.decode()
    assert url("delivery_edit_message", row) not in client.get(url("delivery_change", row)).content.decode()


def test_a_job_is_paused_resumed_and_cancelled_from_its_page(console: Client, space: Space) -> None:
    job = DeliveryJob.objects.create(space=space, kind="replay", rate=1, total=1, last=1, created_by="root")
    for page, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled"), ("resume", "cancelled")):
        console.post(url(f"deliveryjob_{page}", job), CONFIRMED)
        job.refresh_from_db()
        assert job.state == state


@pytest.mark.parametrize(
    "query",
    [
        {"rule_id__exact": "r7"},
        {"event_type": "order.paid"},
        {"action__id__exact": "of"},
        {"connector__id__exact": "of"},
        {"event_id__exact": "event"},
        {"finished_at__gte": "2025-12-31 00:00:00+00:00", "finished_at__lt": "2026-01-02 00:00:00+00:00"},
    ],
)
def test_the_list_is_narrowed_by_what_a_person_knows(
    console: Client, action: Action, other_space: Space, query: dict[str, str]
) -> None:
    row = make_dead(action)
    other = make_dead(make_action(make_connector(other_space)), rule_id="r8", finished_at="2026-02-01T00:00:00Z")
    other_event = make_event(other_space, 2, type="order.refunded")
    Delivery.objects.filter(pk=other.pk).update(event_id=other_event.pk)
    known: dict[str, Any] = {
        "action__id__exact": action.pk,
        "connector__id__exact": action.connector_id,
        "event": row.event_id,
    }
    given: dict[str, Any] = {
        name: known["event"] if value == "event" else known[name] if value == "of" else value
        for name, value in query.items()
    }
    text = console.get(reverse(LIST), given).content.decode()
    assert url("delivery_change", row) in text
    assert url("delivery_change", other) not in text


def test_the_action_form_takes_a_fallback_of_the_same_space(console: Client, action: Action) -> None:
    other = make_action(connector_of(action), public_id="other", name="Other")
    page = url("action_change", action)
    form: Any = console.get(page).context["adminform"].form
    assert set(form.fields["fallback"].queryset) == {other}
    answer = console.get(page).content.decode()
    fields = dict(re.findall(r'<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"', answer))
    sent = {**{name: form[name].value() for name in form.fields if form[name].value() not in (None, "")}, **fields}
    console.post(page, {**sent, "fallback": other.pk, "enabled": "on"})
    action.refresh_from_db()
    assert action.fallback == other


def test_the_date_filters_of_the_list_hold_for_a_job_or_are_named(console: Client, action: Action) -> None:
    make_dead(action)
    space = action.space_id
    for query in (
        {"finished_at__isnull": "False"},
        {"created_at__gte": "2026-01-01T00:00:00Z", "finished_at__lt": "9999-12-31T23:59:59Z"},
    ):
        assert "Send 1 delivery" in re.sub(
            r"\s+", " ", console.get(all_page("replay", space__id__exact=space, **query)).content.decode()
        )
    for query in ({"finished_at__isnull": "True"}, {"attempts__gte": "1"}):
        text = console.get(all_page("replay", space__id__exact=space, **query)).content.decode()
        assert "no job can be about it" in text


def test_the_page_of_a_job_offers_what_its_state_allows(console: Client, action: Action) -> None:
    make_dead(action)
    job = DeliveryJob.objects.create(
        space=action.space, kind="replay", rate=1, total=1, last=0, created_by="admin", state="running"
    )
    offered = {"running": ("pause", "cancel"), "paused": ("resume", "cancel"), "done": (), "cancelled": ()}
    for state, names in offered.items():
        DeliveryJob.objects.update(state=state)
        text = console.get(url("deliveryjob_change", job)).content.decode()
        assert {name for name in ("pause", "resume", "cancel") if url(f"deliveryjob_{name}", job) in text} == set(names)
