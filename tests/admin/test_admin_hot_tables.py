"""Events, deliveries and the event log: read-only, escaped, and never counted or read whole."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from actions.models import Delivery, EventLogEntry
from rules.models import Event
from spaces.admin import read_only
from spaces.models import Space
from tests.admin.conftest import HOSTILE, make_action, make_connector, make_delivery, make_entry, make_event

LISTS = ["rules_event", "actions_delivery", "actions_eventlogentry"]
MODELS: dict[str, Any] = {"rules_event": Event, "actions_delivery": Delivery, "actions_eventlogentry": EventLogEntry}


def make_rows(space: Space, count: int) -> None:
    first = Event.objects.count() + 1
    connector = make_connector(space, first)
    for number in range(first, first + count):
        make_entry(make_delivery(make_event(space, number), make_action(connector, number)))


def page(console: Client, name: str, *args: object, **query: str) -> str:
    answer = console.get(reverse(f"admin:{name}", args=args), query)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("name", LISTS)
def test_a_list_shows_nothing_and_then_its_rows(console: Client, space: Space, name: str) -> None:
    empty = f"No {MODELS[name]._meta.verbose_name_plural} yet"
    assert empty in page(console, f"{name}_changelist")
    make_rows(space, 3)
    assert empty not in page(console, f"{name}_changelist")
    assert len(re.findall("<tr[^>]*>\\s*<t[hd]", page(console, f"{name}_changelist"))) >= 3


@pytest.mark.parametrize("name", LISTS)
def test_the_number_of_queries_of_a_list_does_not_grow_with_its_rows(console: Client, space: Space, name: str) -> None:
    make_rows(space, 2)
    with CaptureQueriesContext(
        connection,
    ) as few:
        page(console, f"{name}_changelist")
    make_rows(space, 20)
    with CaptureQueriesContext(connection) as many:
        page(console, f"{name}_changelist")
    assert len(many) == len(few)


@pytest.mark.parametrize("name", LISTS)
def test_no_list_counts_its_table(console: Client, space: Space, name: str) -> None:
    make_rows(space, 1)
    with CaptureQueriesContext(connection) as queries:
        page(console, f"{name}_changelist")
    table = MODELS[name]._meta.db_table
    counting = re.compile(rf'SELECT COUNT\(.*?\) AS "__count" FROM "{table}"')
    assert not [query["sql"] for query in queries if counting.search(query["sql"])]


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("rules_event", {"q": "needle"}),
        ("actions_delivery", {"q": "needle"}),
        ("actions_delivery", {"last_reason__exact": "poison"}),
        ("actions_eventlogentry", {"q": "needle"}),
        ("actions_eventlogentry", {"outcome__exact": "unknown"}),
    ],
)
def test_a_search_without_an_index_looks_through_the_newest_rows_only(
    console: Client, space: Space, name: str, query: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_only, "SEARCHED_ROWS", 2)
    connector = make_connector(space)
    for number in range(1, 4):
        event = make_event(space, number, subject="needle")
        action = make_action(connector, number)
        delivery = make_delivery(event, action, last_detail="needle", last_reason="poison")
        make_entry(delivery, message="needle", outcome="unknown")
    keys = list(MODELS[name].objects.order_by("pk").values_list("pk", flat=True))
    text = page(console, f"{name}_changelist", **query)
    assert reverse(f"admin:{name}_change", args=[keys[0]]) not in text
    assert reverse(f"admin:{name}_change", args=[keys[1]]) in text
    assert reverse(f"admin:{name}_change", args=[keys[2]]) in text


def test_the_state_filter_finds_old_deliveries_too(
    console: Client, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_only, "SEARCHED_ROWS", 1)
    action = make_action(make_connector(space))
    old = make_delivery(make_event(space, 1), action, state="dead")
    make_delivery(make_event(space, 2), action, state="delivered")
    make_delivery(make_event(space, 3), action, state="delivered")
    assert reverse("admin:actions_delivery_change", args=[old.pk]) in page(
        console, "actions_delivery_changelist", state__exact="dead"
    )


@pytest.mark.parametrize("number", [7_001, 8_001])
def test_a_number_finds_the_delivery_and_those_of_the_event(console: Client, space: Space, number: int) -> None:
    action = make_action(make_connector(space))
    wanted = make_delivery(make_event(space, 1, pk=8_001), action, pk=7_001)
    unwanted = make_delivery(make_event(space, 2, pk=8_002), action, pk=7_002)
    text = page(console, "actions_delivery_changelist", q=str(number))
    assert reverse("admin:actions_delivery_change", args=[wanted.pk]) in text
    assert reverse("admin:actions_delivery_change", args=[unwanted.pk]) not in text


@pytest.mark.parametrize("query", [{"q": "9" * 40}, {"q": "\x00"}, {"p": "99999999999"}, {"state__exact": "\x00"}])
@pytest.mark.parametrize("name", LISTS)
def test_odd_queries_are_no_server_error(console: Client, space: Space, name: str, query: dict[str, str]) -> None:
    make_rows(space, 1)
    assert console.get(reverse(f"admin:{name}_changelist"), query).status_code in (200, 302, 400)


@pytest.mark.parametrize("name", LISTS)
def test_nobody_adds_changes_or_deletes(console: Client, space: Space, name: str) -> None:
    make_rows(space, 1)
    row = MODELS[name].objects.get()
    assert console.get(reverse(f"admin:{name}_add")).status_code == 403
    assert console.post(reverse(f"admin:{name}_change", args=[row.pk]), {"state": "dead"}).status_code == 403
    assert console.post(reverse(f"admin:{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert console.post(
        reverse(f"admin:{name}_changelist"),
        {"action": "delete_selected", "_selected_action": row.pk, "index": 0, "post": "yes"},
    ).status_code in (200, 302)
    assert MODELS[name].objects.filter(pk=row.pk).exists()


def test_the_list_of_events_counts_their_deliveries(console: Client, space: Space) -> None:
    event, connector = make_event(space), make_connector(space)
    make_event(space, 2)
    deliveries = [make_delivery(event, make_action(connector, number)) for number in (1, 2)]
    link = f"{reverse('admin:actions_delivery_changelist')}?event_id__exact={event.pk}"
    assert f'<a href="{link}" class="text-link">2</a>' in page(console, "rules_event_changelist")
    of_event = page(console, "actions_delivery_changelist", event_id__exact=str(event.pk))
    for delivery in deliveries:
        assert reverse("admin:actions_delivery_change", args=[delivery.pk]) in of_event


def test_a_deliverys_page_shows_the_message_and_every_attempt(console: Client, space: Space) -> None:
    delivery = make_delivery(make_event(space), make_action(make_connector(space)), message={"body": "hello there"})
    make_entry(delivery, attempt=1)
    make_entry(delivery, attempt=2, outcome="success", reason="ok", response={"status": 204})
    other = make_delivery(make_event(space, 2), delivery.action)
    make_entry(other, message="of another delivery")
    text = page(console, "actions_delivery_change", delivery.pk)
    for shown in ("hello there", "Attempt 1", "Attempt 2", "https://example.com/hook", "busy", "204", "12 ms"):
        assert shown in text
    assert "of another delivery" not in text
    assert reverse("admin:rules_event_change", args=[delivery.event_id]) in text


def test_an_events_page_shows_its_attributes_data_and_deliveries(console: Client, space: Space) -> None:
    event = make_event(space, subject="order 7", extensions={"traceparent": "00-abc"}, data={"amount": 7})
    delivery = make_delivery(event, make_action(make_connector(space)), state="dead", last_reason="poison")
    text = page(console, "rules_event_change", event.pk)
    for shown in ("order.paid", "order 7", "traceparent", "&quot;amount&quot;: 7", "dead", "poison", "Action 1"):
        assert shown in text
    assert reverse("admin:actions_delivery_change", args=[delivery.pk]) in text


@pytest.mark.parametrize("data", [None, "plain text", 0, False, [], {"deep": [1, {"x": None}]}])
def test_an_events_page_shows_any_kind_of_data(console: Client, space: Space, data: object) -> None:
    page(console, "rules_event_change", make_event(space, data=data).pk)


def test_history_stays_readable_when_its_action_and_connector_are_gone(console: Client, space: Space) -> None:
    connector = make_connector(space)
    event = make_event(space)
    delivery = make_delivery(event, make_action(connector))
    make_entry(delivery)
    delivery.action.delete()
    connector.delete()
    assert "(deleted)" in page(console, "actions_delivery_changelist")
    assert "(deleted)" in page(console, "actions_delivery_change", delivery.pk)
    assert "(deleted)" in page(console, "rules_event_change", event.pk)
    page(console, "actions_eventlogentry_changelist")


Maker = Callable[[Space], tuple[str, int]]


def hostile_event(space: Space) -> tuple[str, int]:
    event = make_event(
        space,
        type=HOSTILE,
        source=HOSTILE,
        event_id=HOSTILE,
        subject=HOSTILE,
        datacontenttype=HOSTILE,
        dataschema=HOSTILE,
        extensions={HOSTILE: HOSTILE},
        data={HOSTILE: [HOSTILE]},
    )
    make_delivery(event, make_action(make_connector(space, name=HOSTILE), name=HOSTILE), last_reason="poison")
    return "rules_event", event.pk


def hostile_delivery(space: Space) -> tuple[str, int]:
    action = make_action(make_connector(space, name=HOSTILE), name=HOSTILE)
    delivery = make_delivery(
        make_event(space), action, message={HOSTILE: HOSTILE}, last_detail=HOSTILE, rule_id=HOSTILE[:60]
    )
    make_entry(delivery, message=HOSTILE, request={HOSTILE: HOSTILE}, response={"body": HOSTILE})
    return "actions_delivery", delivery.pk


def hostile_entry(space: Space) -> tuple[str, int]:
    delivery = make_delivery(make_event(space), make_action(make_connector(space)))
    entry = make_entry(
        delivery,
        message=HOSTILE,
        request={HOSTILE: HOSTILE},
        response={"body": HOSTILE},
        rule_id=HOSTILE[:60],
        action_id=HOSTILE[:60],
        connector_id=HOSTILE[:60],
    )
    return "actions_eventlogentry", entry.pk


@pytest.mark.parametrize("make", [hostile_event, hostile_delivery, hostile_entry])
def test_what_came_from_outside_is_escaped_everywhere(console: Client, space: Space, make: Maker) -> None:
    space.name = HOSTILE
    space.save()
    name, key = make(space)
    for text in (
        page(console, f"{name}_changelist"),
        page(console, f"{name}_changelist", q=HOSTILE),
        page(console, f"{name}_change", key),
    ):
        assert "alert(1)" in text
        assert "<script>alert" not in text
        assert "<img src=x" not in text


@pytest.mark.parametrize("word", ["x", "1.5", "5" * 5000, "8a3c-event"])
def test_an_event_that_is_named_by_no_number_is_answered_with_where_to_look(
    console: Client, space: Space, word: str
) -> None:
    make_rows(space, 1)
    text = console.get(reverse("admin:actions_delivery_changelist"), {"event_id__exact": word}).content.decode()
    assert "Search for its CloudEvents id in the list of events." in text


@pytest.mark.parametrize(
    ("lookup", "value"),
    [
        ("space__id__exact", "9" * 23),
        ("rule_id__exact", "a\0b"),
        ("created_at__gte", "9999-12-31T23:59:59-10:00"),
    ],
)
def test_a_filter_that_no_row_can_meet_leads_back_to_the_list_with_a_word(
    console: Client, space: Space, lookup: str, value: str
) -> None:
    make_rows(space, 1)
    page = reverse("admin:actions_delivery_changelist")
    answer = console.get(page, {lookup: value, "state__exact": "dead"}, follow=True)
    assert answer.status_code == 200
    assert answer.redirect_chain == [(f"{page}?state__exact=dead", 302)]
    assert f"the list is not narrowed by: {lookup}." in answer.content.decode()


@pytest.mark.parametrize("name", LISTS)
def test_a_number_of_thousands_of_digits_is_looked_for_as_words(console: Client, space: Space, name: str) -> None:
    make_rows(space, 1)
    assert console.get(reverse(f"admin:{name}_changelist"), {"q": "7" * 5000}).status_code == 200


def test_digits_are_looked_for_in_the_detail_too(console: Client, space: Space) -> None:
    row = make_delivery(make_event(space, 1), make_action(make_connector(space)), last_detail="HTTP 40404")
    assert reverse("admin:actions_delivery_change", args=[row.pk]) in page(
        console, "actions_delivery_changelist", q="40404"
    )
