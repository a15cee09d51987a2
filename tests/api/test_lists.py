"""Lists: every row once, pages that are bounded, costs that do not grow, and no parameter that is ignored."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from connectors.models import Connector
from spaces import audit
from spaces.models import Space
from spaces.services import add_member, create_api_key
from tests.api.client import Api, make_alert, make_delivery, make_event, make_log_entry
from tests.factories import (
    connector_of,
    make_action,
    make_connector,
    make_kafka_connector,
    make_rule,
    make_source,
    make_space,
    make_window,
)

pytestmark = pytest.mark.django_db

KINDS = [
    "connectors",
    "actions",
    "sources",
    "rules",
    "maintenance-windows",
    "alerts",
    "events",
    "deliveries",
    "event-log",
]
ADMINISTERED = ["members", "api-keys", "audit"]
TYPES = ["connector-types", "source-types", "rule-types"]
# How many queries a page of each list costs; whoever makes one dearer changes the number and says why.
BASELINE = Path(__file__).parent / "query_counts.json"
QUERIES: dict[str, int] = json.loads(BASELINE.read_text())

NUMBERS = count()


@pytest.fixture
def make(space: Space) -> Callable[[str, int], None]:
    """Return a function that adds so many rows of a kind, each as connected as it can be."""

    def rows(kind: str, count: int) -> None:
        for _ in range(count):
            match kind:
                case "connectors":
                    make_action(make_connector(space))
                case "actions":
                    make_rule(space, actions=[make_action(make_connector(space))])
                case "sources":
                    make_source(make_kafka_connector(space))
                case "rules":
                    action = make_action(make_connector(space))
                    make_rule(space, actions=[action, make_action(connector_of(action))])
                case "maintenance-windows":
                    make_window(space)
                case "alerts":
                    make_alert(space)
                case "events":
                    make_event(space)
                case "deliveries":
                    make_delivery(make_action(make_connector(space)))
                case "event-log":
                    make_log_entry(space)
                case "members":
                    add_member(space, User.objects.create_user(f"user-{next(NUMBERS)}"), "viewer")
                case "api-keys":
                    create_api_key(space, "one")
                case "audit":
                    audit.record("rule.update", space=space, object_id="x")
                case "spaces":
                    make_space()

    return rows


@pytest.mark.parametrize("kind", [*KINDS, *ADMINISTERED, *TYPES, "spaces"])
def test_a_page_costs_the_same_queries_for_3_rows_and_30(api: Api, make: Callable[[str, int], None], kind: str) -> None:
    address = "/api/v1/spaces" if kind == "spaces" else kind

    def queries() -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            assert api.get(address).status == 200
        return [query["sql"] for query in captured.captured_queries]

    make(kind, 3)
    queries()  # the first use of a key is noted
    few = queries()
    make(kind, 27)
    many = queries()
    assert len(many) == len(few) == QUERIES[kind]
    if kind in KINDS:
        assert len(api.get(kind).ids) == 30
    if kind in ("alerts", "events", "deliveries", "event-log"):
        assert not [sql for sql in many if "COUNT(" in sql.upper()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("page_size", [1, 3, 7, 50])
def test_walking_the_pages_meets_each_row_once_forth_and_back(
    api: Api, make: Callable[[str, int], None], kind: str, page_size: int
) -> None:
    make(kind, 7)
    pages = list(api.pages(kind, page_size=page_size))
    forth = [id_ for page in pages for id_ in page.ids]
    assert len(forth) == len(set(forth)) == 7
    back, page = list(pages[-1].ids), pages[-1]
    while link := page.body["previous"]:
        page = api.get(link.removeprefix("http://testserver"))
        back = page.ids + back
    assert back == forth
    assert pages[0].body["previous"] is None


@pytest.mark.parametrize(
    "ordering", ["name", "-name", "id", "-id", "created_at", "-created_at", "updated_at", "-updated_at"]
)
def test_rows_with_equal_values_are_each_met_once(api: Api, space: Space, ordering: str) -> None:
    for _ in range(9):
        make_connector(space, name="the same")
    moment = datetime(2026, 1, 1, 12, 0, 0, 123456, UTC)
    Connector.objects.update(created_at=moment, updated_at=moment)
    met = [id_ for page in api.pages("connectors", page_size=2, ordering=ordering) for id_ in page.ids]
    assert len(met) == len(set(met)) == 9


@pytest.mark.parametrize("ordering", ["created_at", "-created_at", "updated_at", "-updated_at"])
def test_times_of_the_database_and_of_ours_are_one_order(api: Api, space: Space, ordering: str) -> None:
    """SQLite's own have three digits of a second, Python's six."""
    for number in range(7):
        make_connector(space, public_id=f"c-{number}")
    for name in ("c-1", "c-4"):
        api.patch(f"connectors/{name}", {"name": "Changed"})
    forth = [row for page in api.pages("connectors", ordering=ordering, page_size=2) for row in page.ids]
    assert sorted(forth) == [f"c-{number}" for number in range(7)]
    back = [row for page in api.pages("connectors", ordering=ordering.lstrip("-"), page_size=3) for row in page.ids]
    assert sorted(back) == sorted(forth)


def test_order_is_the_one_that_was_asked_for(api: Api, space: Space) -> None:
    for name, id_ in (("b", "x"), ("a", "z"), ("c", "y")):
        make_connector(space, name=name, public_id=id_)
    assert api.get("connectors").ids == ["z", "x", "y"]
    assert api.get("connectors", ordering="-name").ids == ["y", "x", "z"]
    assert api.get("connectors", ordering="id").ids == ["x", "y", "z"]
    assert api.get("connectors", ordering="-created_at").ids == ["y", "z", "x"]


def test_what_happened_last_stands_first(api: Api, space: Space) -> None:
    keys = [make_event(space).pk for _ in range(3)]
    assert api.get("events").ids == keys[::-1]
    assert api.get("events", ordering="id").ids == keys


def test_rows_inserted_meanwhile_neither_repeat_nor_hide_others(api: Api, space: Space) -> None:
    keys = [make_event(space).pk for _ in range(6)]
    pages = api.pages("events", page_size=2)
    met = next(pages).ids
    make_event(space)
    met += [id_ for page in pages for id_ in page.ids]
    assert met == keys[::-1]


@pytest.mark.parametrize(("asked", "given"), [("", 50), ("7", 7), ("200", 200), ("201", 200), ("1000000000", 200)])
def test_page_size_has_a_default_and_a_cap(api: Api, space: Space, asked: str, given: int) -> None:
    for number in range(201):
        make_event(space, event_id=str(number))
    query = {"page_size": asked} if asked else {}
    assert len(api.get("events", **query).ids) == given


@pytest.mark.parametrize("page_size", ["-1", "0", "00", "", "1.5", "1e3", "abc", "٣", " 5", "5\0"])
def test_page_size_that_is_no_number_is_refused(api: Api, page_size: str) -> None:
    answer = api.get("events", page_size=page_size)
    assert (answer.status, answer.parameters) == (400, ["page_size"])


def test_page_size_may_be_as_long_as_it_likes(api: Api) -> None:
    assert api.get("events", page_size="9" * 5000).status == 200


@pytest.mark.parametrize(
    "cursor", ["", "x", "cD00ODY=", "\0", "é", "a:b:c", "WyIiLGZhbHNlLDEsMV0:1wGQ3x:AAAA", "9" * 5000]
)
@pytest.mark.parametrize("kind", KINDS)
def test_cursor_that_no_page_gave_is_refused(api: Api, kind: str, cursor: str) -> None:
    answer = api.get(kind, cursor=cursor)
    assert (answer.status, answer.parameters) == (400, ["cursor"])


def test_cursor_of_another_order_is_refused(api: Api, space: Space) -> None:
    for _ in range(2):
        make_connector(space)
    link = api.get("connectors", page_size=1, ordering="name").body["next"].removeprefix("http://testserver")
    answer = api.get(link.replace("ordering=name", "ordering=id"))
    assert (answer.status, answer.parameters) == (400, ["cursor"])


@pytest.mark.parametrize(
    "ordering",
    ["secrets", "-secrets", "secrets_set_at", "space", "space__slug", "pk", "--name", "?", "", "name,id", "\0"],
)
def test_order_that_is_not_on_the_list_is_refused(api: Api, ordering: str) -> None:
    answer = api.get("connectors", ordering=ordering)
    assert (answer.status, answer.parameters) == (400, ["ordering"])


@pytest.mark.parametrize("kind", [*KINDS, "/api/v1/spaces"])
@pytest.mark.parametrize("name", ["limit", "offset", "space", "secrets", "space__slug__startswith", "format", "", "\0"])
def test_unknown_parameter_is_refused_not_ignored(api: Api, kind: str, name: str) -> None:
    answer = api.get(kind, **{name: "x"})
    assert (answer.status, answer.parameters) == (400, [name])


def test_repeated_parameter_is_refused(api: Api) -> None:
    answer = api.send("GET", "rules", type=["event", "threshold"])
    assert (answer.status, answer.parameters) == (400, ["type"])


def test_an_object_s_address_takes_no_parameters(api: Api, space: Space) -> None:
    make_connector(space, public_id="own")
    assert api.get("connectors/own").status == 200
    assert api.get("connectors/own", type="http").status == 400
    assert api.send("DELETE", "connectors/own", forced="true").status == 400
    assert api.send("DELETE", "connectors/own", force="yes").status == 400
    assert Connector.objects.filter(public_id="own").exists()


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("connectors", "enabled", "maybe"),
        ("actions", "enabled", "1"),
        ("rules", "enabled", "True"),
        ("rules", "tag", "\0"),
        ("connectors", "search", "\0"),
        ("deliveries", "state", "gone"),
        ("deliveries", "reason", "because"),
        ("deliveries", "event", "1.5"),
        ("deliveries", "event", "-1"),
        ("deliveries", "event", "NaN"),
        ("deliveries", "event", str(2**63)),
        ("deliveries", "event", "9" * 5000),
        ("deliveries", "rule", "\0"),
        ("deliveries", "rule", "r" * 65),
        ("deliveries", "event_type", "t" * 256),
        ("deliveries", "search", "s" * 201),
        ("deliveries", "search", "\0"),
        ("deliveries", "since", "yesterday"),
        ("deliveries", "until", "0001-01-01T00:00:00+14:00"),
        ("deliveries", "finished_since", "9999-12-31T23:59:59-14:00"),
        ("deliveries", "finished_until", "2026-13-01T00:00:00Z"),
        ("event-log", "outcome", "fine"),
        ("event-log", "delivery", "x"),
        ("events", "source", "\0"),
    ],
)
def test_filter_value_of_the_wrong_form_is_refused(api: Api, kind: str, name: str, value: str) -> None:
    answer = api.get(kind, **{name: value})
    assert (answer.status, answer.parameters) == (400, [name])


@pytest.mark.parametrize("kind", KINDS)
def test_filter_value_that_fits_nothing_gives_an_empty_page(
    api: Api, make: Callable[[str, int], None], kind: str
) -> None:
    make(kind, 2)
    name, value = {
        "connectors": ("type", "%"),
        "actions": ("connector", "' OR 1=1 --"),
        "sources": ("connector", "\U0001f600"),
        "rules": ("tag", "\U0001f600"),
        "maintenance-windows": ("search", "%"),
        "alerts": ("key", "x" * 4000),
        "events": ("event_id", "x" * 4000),
        "deliveries": ("event", str(2**63 - 1)),
        "event-log": ("rule_id", "../.."),
    }[kind]
    assert api.get(kind, **{name: value}).ids == []


def test_connectors_are_found_by_type_state_and_text(api: Api, space: Space) -> None:
    make_connector(space, public_id="pager", name="On-call 100%")
    make_connector(space, public_id="mailer", name="Post office", enabled=False)
    assert api.get("connectors", type="http").ids == ["pager", "mailer"]
    assert api.get("connectors", enabled="false").ids == ["mailer"]
    assert api.get("connectors", enabled="true").ids == ["pager"]
    assert api.get("connectors", search="ON-CALL").ids == ["pager"]
    assert api.get("connectors", search="mail").ids == ["mailer"]
    assert api.get("connectors", search="0%").ids == ["pager"]
    assert api.get("connectors", search="_").ids == []


def test_actions_are_found_by_connector_and_state(api: Api, space: Space) -> None:
    first, second = make_connector(space), make_connector(space)
    make_action(first, public_id="a")
    make_action(second, public_id="b", enabled=False)
    assert api.get("actions", connector=first.public_id).ids == ["a"]
    assert api.get("actions", enabled="false").ids == ["b"]


def test_rules_are_found_by_type_state_tag_and_action(api: Api, space: Space) -> None:
    action = make_action(make_connector(space))
    make_rule(space, public_id="a", name="a", tags=["prod", 'quo"te'], actions=[action])
    make_rule(space, public_id="b", name="b", tags=["test", "product"], enabled=False)
    assert api.get("rules", type="event").ids == ["a", "b"]
    assert api.get("rules", enabled="true").ids == ["a"]
    assert api.get("rules", tag="prod").ids == ["a"]
    assert api.get("rules", tag='quo"te').ids == ["a"]
    assert api.get("rules", tag="product").ids == ["b"]
    assert api.get("rules", tag="pro").ids == []
    assert api.get("rules", action=action.public_id).ids == ["a"]


def test_events_are_found_by_their_attributes(api: Api, space: Space) -> None:
    key = make_event(space, type="order.paid", source="/shop", event_id="7").pk
    make_event(space)
    assert api.get("events", type="order.paid").ids == [key]
    assert api.get("events", source="/shop").ids == [key]
    assert api.get("events", event_id="7").ids == [key]


def test_alerts_are_found_by_their_rule_and_where_they_stand(api: Api, space: Space) -> None:
    values = {"rule_public_id": "r7", "state": "untracked", "group": "low", "key": "boiler"}
    alert = make_alert(space, **values)
    make_alert(space)
    for name, value in {**values, "rule": "r7", "uuid": alert.uuid}.items():
        if name != "rule_public_id":
            assert api.get("alerts", **{name: value}).ids == [alert.pk]


def test_deliveries_are_found_by_everything_they_join(api: Api, space: Space) -> None:
    action = make_action(make_connector(space))
    wanted = {"event_id": 7, "rule_id": "r7", "state": "dead", "last_reason": "permanent_410"}
    key = make_delivery(action, **wanted).pk
    make_delivery(make_action(make_connector(space)))
    for name, value in {
        "state": "dead",
        "rule": "r7",
        "action": action.public_id,
        "connector": connector_of(action).public_id,
        "event": 7,
        "reason": "permanent_410",
    }.items():
        assert api.get("deliveries", **{name: value}).ids == [key]


def test_deliveries_are_found_by_their_event_s_type_their_times_and_words(api: Api, space: Space) -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    action = make_action(make_connector(space))
    event = make_event(space, type="order.paid")
    times = {"created_at": early, "finished_at": late, "last_detail": "The till is closed."}
    wanted = make_delivery(action, event_id=event.pk, rule_id="r7", state="dead", **times)
    make_delivery(action, event_id=make_event(space).pk, created_at=late, finished_at=early, state="dead")
    for query in (
        {"event_type": "order.paid"},
        {"until": "2026-01-02T00:00:00Z"},
        {"since": "2025-12-31T00:00:00Z", "until": "2026-01-01T12:00:00+00:00"},
        {"finished_since": "2026-01-02T00:00:00Z"},
        {"search": "TILL is"},
        {"search": "r7"},
        {"search": str(wanted.pk)},
        {"search": str(event.pk)},
        {"search": str(wanted.webhook_id)},
    ):
        assert api.get("deliveries", **query).ids == [wanted.pk], query
    assert api.get("deliveries", event_type="order.refunded").ids == []
    assert api.get("deliveries", search="9" * 100).ids == []


def test_log_entries_are_found_by_everything_they_name(api: Api, space: Space) -> None:
    names: dict[str, Any] = {"rule_id": "r", "action_id": "a", "connector_id": "c", "reason": "retry_429"}
    key = make_log_entry(space, outcome="failure", delivery_id=5, event_id=7, **names).pk
    make_log_entry(space)
    for name, value in {**names, "outcome": "failure", "delivery": 5, "event": 7}.items():
        assert api.get("event-log", **{name: value}).ids == [key]


def test_a_delivery_outlives_its_action_and_connector(api: Api, space: Space) -> None:
    action = make_action(make_connector(space))
    key = make_delivery(action).pk
    assert api.get(f"deliveries/{key}").body["action"] == action.public_id
    assert api.delete(f"actions/{action.public_id}").status == 204
    assert api.delete(f"connectors/{connector_of(action).public_id}").status == 204
    assert api.get("deliveries").ids == [key]
    shown = api.get(f"deliveries/{key}").body
    assert (shown["action"], shown["connector"]) == (action.public_id, connector_of(action).public_id)
