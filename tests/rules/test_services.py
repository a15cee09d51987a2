from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from actions.models import Action
from actions.services import delete_action
from rules.models import Rule, RuleAction
from rules.services import create_rule, delete_rule, update_rule
from rules.types.event import rule_type
from rules.types.event.event import EventParams
from rules.types.registry import UnknownRuleType, all_types, get_type
from spaces.errors import InvalidInput
from spaces.models import Space
from tests.factories import make_action, make_connector, make_rule, make_space

pytestmark = pytest.mark.django_db


@pytest.fixture
def space() -> Space:
    return make_space()


@pytest.fixture
def actions(space: Space) -> list[Action]:
    connector = make_connector(space)
    return [make_action(connector, public_id=public_id) for public_id in ("one", "two", "three")]


def errors_of(change: Callable[[], object]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as raised, transaction.atomic():
        change()
    return [(error.pointer, error.detail) for error in raised.value.errors]


def stored(rule: Rule) -> Rule:
    return Rule.objects.get(pk=rule.pk)


def triggered(rule: Rule) -> list[str]:
    return [link.action.public_id for link in rule.links.select_related("action").order_by("id")]


def revision(space: Space) -> int:
    return Space.objects.get(pk=space.pk).config_revision


# --- Create ---


def test_a_rule_is_stored_complete(space: Space, actions: list[Action]) -> None:
    before = revision(space)
    made = create_rule(
        space,
        type="event",
        name=" Hot ",
        public_id="hot",
        params={"event_types": ["sensor.*"]},
        condition="  event.data.temperature > 30.0\n",
        tags=["mill", "mill", " heat "],
        enabled=False,
        actions=[actions[1], actions[0]],
    )
    rule = stored(made)
    assert (rule.space, rule.type, rule.name, rule.public_id, rule.version) == (space, "event", "Hot", "hot", 1)
    assert rule.params == {"event_types": ["sensor.*"], "sources": [], "subjects": []}
    assert rule.condition == "  event.data.temperature > 30.0\n"
    assert (rule.tags, rule.enabled) == (["mill", "heat"], False)
    assert triggered(rule) == ["two", "one"]
    assert revision(space) == before + 1


def test_a_rule_needs_a_name_only(space: Space) -> None:
    rule = stored(create_rule(space, name="All", params={}))
    assert (rule.type, rule.condition, rule.tags, rule.enabled) == ("event", "", [], True)
    assert rule.params == {"event_types": [], "sources": [], "subjects": []}
    assert rule.public_id.startswith("rule-")
    assert triggered(rule) == []


def test_an_id_is_taken_once_in_a_space(space: Space) -> None:
    make_rule(space, public_id="mine")
    make_rule(make_space(), public_id="mine")
    assert errors_of(lambda: make_rule(space, public_id="mine")) == [("/id", 'The ID "mine" is already taken.')]


def test_everything_wrong_is_reported_at_once_and_nothing_is_stored(space: Space, actions: list[Action]) -> None:
    before = revision(space)
    found = errors_of(
        lambda: create_rule(
            space,
            name="",
            public_id="No!",
            params={"event_types": "x", "nope": 1},
            condition="event.type ==",
            tags=["x" * 51],
            actions=[actions[0], actions[0]],
        )
    )
    assert [pointer for pointer, _ in found] == [
        "/id",
        "/name",
        "/params/event_types",
        "/params/nope",
        "/condition",
        "/tags/0",
        "/actions/1",
    ]
    assert not Rule.objects.exists()
    assert revision(space) == before


def test_an_unknown_type_is_refused_with_the_known_ones(space: Space) -> None:
    known = "absence, connector_health, event, http_check, schedule, threshold"
    expected = [("/type", f'There is no rule type "evnt". Known types: {known}.')]
    assert errors_of(lambda: create_rule(space, type="evnt", name="R", params={})) == expected


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("event.type ==", "line 1, column 14: "),
        ('event.type == "a" &&\n  evnt.data', "line 2, column 3: "),
        ("  nul \0", "line 1, column 7: "),
        ("x" * 5000, "4,096"),
    ],
)
def test_a_wrong_condition_is_refused_with_its_position(space: Space, condition: str, said: str) -> None:
    ((pointer, detail),) = errors_of(lambda: make_rule(space, condition=condition))
    assert pointer == "/condition"
    assert said in detail
    assert not Rule.objects.exists()


def test_a_blank_condition_is_none(space: Space) -> None:
    assert stored(make_rule(space, condition=" \n\t")).condition == ""


def test_another_spaces_action_does_not_exist_here(space: Space, actions: list[Action]) -> None:
    foreign = make_action(make_connector(make_space()), public_id="theirs")
    expected = [("/actions/1", 'There is no action "theirs" in this space.')]
    assert errors_of(lambda: make_rule(space, actions=[actions[0], foreign])) == expected
    rule = make_rule(space, actions=actions)
    assert [pointer for pointer, _ in errors_of(lambda: update_rule(rule, actions=[foreign]))] == ["/actions/0"]
    assert triggered(rule) == ["one", "two", "three"]


# --- Update ---


def test_what_is_not_named_stays(space: Space, actions: list[Action]) -> None:
    rule = make_rule(space, params={"sources": ["/a"]}, condition="true", tags=["t"], actions=actions)
    updated = update_rule(rule, name="Other")
    now = stored(rule)
    assert (now.name, now.version, updated.version) == ("Other", 2, 2)
    assert (now.public_id, now.type, now.params, now.condition, now.tags) == (
        rule.public_id,
        "event",
        rule.params,
        "true",
        ["t"],
    )
    assert triggered(rule) == ["one", "two", "three"]


def test_each_change_moves_the_version_and_the_revision(space: Space, actions: list[Action]) -> None:
    rule = make_rule(space)
    before, was = revision(space), stored(rule).updated_at
    changes: list[dict[str, Any]] = [
        {"name": "B"},
        {"params": {"event_types": ["x"], "sources": [], "subjects": []}},
        {"condition": "false"},
        {"condition": ""},
        {"tags": ["a"]},
        {"enabled": False},
    ]
    for version, change in enumerate(changes, start=2):
        update_rule(rule, **change)
        now = stored(rule)
        assert {name: getattr(now, name) for name in change} == change
        assert now.version == version
        assert now.updated_at > was
        assert revision(space) == before + version - 1
        was = now.updated_at
    assert update_rule(rule, actions=actions).version == len(changes) + 2


def test_actions_are_replaced_as_a_whole_in_their_order(space: Space, actions: list[Action]) -> None:
    one, two, three = actions
    rule = make_rule(space, actions=[one, two])
    update_rule(rule, actions=[three, one])
    assert triggered(rule) == ["three", "one"]
    update_rule(rule, actions=[])
    assert triggered(rule) == []


def test_a_refused_change_changes_nothing(space: Space, actions: list[Action]) -> None:
    rule = make_rule(space, actions=actions[:1])
    before = revision(space)
    errors_of(lambda: update_rule(rule, name="New", condition="((", enabled=False, actions=actions))
    now = stored(rule)
    assert (now.name, now.condition, now.enabled, now.version) == (rule.name, "", True, 1)
    assert triggered(rule) == ["one"]
    assert revision(space) == before


def test_a_change_keeps_what_others_changed_meanwhile(space: Space, actions: list[Action]) -> None:
    rule = make_rule(space)
    mine, theirs = stored(rule), stored(rule)
    update_rule(theirs, name="Theirs", actions=actions)
    update_rule(mine, enabled=False)
    now = stored(rule)
    assert (now.name, now.enabled, now.version) == ("Theirs", False, 3)
    assert triggered(rule) == ["one", "two", "three"]


# --- Delete ---


def test_a_deleted_rule_frees_its_actions_and_the_workers_are_told(space: Space, actions: list[Action]) -> None:
    rule = make_rule(space, actions=actions)
    before = revision(space)
    delete_rule(stored(rule))
    assert not RuleAction.objects.exists()
    assert revision(space) == before + 1
    delete_action(actions[0])
    assert Action.objects.count() == 2
    with pytest.raises(Rule.DoesNotExist):
        update_rule(rule, name="B")


# --- The rule types ---


def test_the_registry_knows_the_event_type() -> None:
    assert all_types()["event"] is rule_type
    assert get_type("event") is rule_type
    with pytest.raises(
        UnknownRuleType,
        match=r'"nope"\. Known types: absence, connector_health, event, http_check, schedule, threshold',
    ):
        get_type("nope")


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"event_types": ["a*b"]}, "/params/event_types/0"),
        ({"event_types": ["ok", "**"]}, "/params/event_types/1"),
        ({"event_types": ["*.created"]}, "/params/event_types/0"),
        ({"sources": [" "]}, "/params/sources/0"),
        ({"sources": ["x" * 513]}, "/params/sources/0"),
        ({"sources": [7]}, "/params/sources/0"),
        ({"sources": ["nul \0"]}, "/params/sources/0"),
        ({"event_types": [str(n) for n in range(101)]}, "/params/event_types"),
        ({"subjects": ["ok/+", "a/#/b"]}, "/params/subjects/1"),
        ({"subjects": [""]}, "/params/subjects/0"),
        ({"subjects": ["a" * 1025]}, "/params/subjects/0"),
        ({"subjects": [str(n) for n in range(101)]}, "/params/subjects"),
        ({"types": []}, "/params/types"),
    ],
)
def test_wrong_patterns_are_refused_at_their_place(space: Space, params: dict[str, Any], pointer: str) -> None:
    assert [found for found, _ in errors_of(lambda: make_rule(space, params=params))] == [pointer]


def test_patterns_are_kept_once(space: Space) -> None:
    rule = make_rule(space, params={"event_types": ["a.*", " a.* ", "b", "a.*"]})
    assert stored(rule).params["event_types"] == ["a.*", "b"]


@pytest.mark.parametrize(
    ("patterns", "covered", "not_covered"),
    [
        ([], ["a", "", "b.c"], []),
        (["*"], ["a", "", "b.c"], []),
        (["order.paid"], ["order.paid"], ["order.paid.late", "order.pai", "ORDER.PAID", ""]),
        (["order.*"], ["order.", "order.paid"], ["order", "orders.x"]),
        (["order.*", "ping"], ["order.x", "ping"], ["pin", "pings"]),
    ],
)
def test_a_rule_watches_exact_names_and_beginnings(
    patterns: list[str], covered: list[str], not_covered: list[str]
) -> None:
    types = rule_type.watch(EventParams(event_types=patterns))
    sources = rule_type.watch(EventParams(sources=patterns))
    for covers in (types.covers_type, sources.covers_source):
        assert [value for value in covered if not covers(value)] == []
        assert [value for value in not_covered if covers(value)] == []
    assert types.covers_source("anything")
    assert sources.covers_type("anything")
