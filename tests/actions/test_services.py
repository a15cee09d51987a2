from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import transaction

from actions.models import Action, Delivery
from actions.services import create_action, delete_action, update_action
from connectors.models import Connector
from connectors.services import delete_connector, update_connector
from spaces.errors import InUse, InvalidInput
from spaces.models import Space
from tests.factories import make_action, make_connector, make_rule, make_space

pytestmark = pytest.mark.django_db


@pytest.fixture
def space() -> Space:
    return make_space()


@pytest.fixture
def connector(space: Space) -> Connector:
    return make_connector(space, public_id="hook")


def errors_of(change: Callable[[], object]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as raised, transaction.atomic():
        change()
    return [(error.pointer, error.detail) for error in raised.value.errors]


def stored(action: Action) -> Action:
    return Action.objects.get(pk=action.pk)


def revision(space: Space) -> int:
    return Space.objects.get(pk=space.pk).config_revision


# --- Create ---


def test_an_action_is_stored_complete(space: Space, connector: Connector) -> None:
    before = revision(space)
    made = create_action(
        space,
        connector=connector,
        name=" Report ",
        public_id="report",
        params={"path": "/{{ event.type }}", "body": {"site": "{{ event.data.site }}"}},
        max_attempts=50,
        expires_after=3600,
        enabled=False,
    )
    action = stored(made)
    assert (action.space, action.connector, action.name, action.public_id) == (space, connector, "Report", "report")
    assert action.params == {
        "path": "/{{ event.type }}",
        "method": None,
        "query": {},
        "headers": {},
        "body": {"site": "{{ event.data.site }}"},
        "batch_size": 1,
    }
    assert (action.max_attempts, action.expires_after, action.enabled, action.version) == (50, 3600, False, 1)
    assert made.params == action.params
    assert revision(space) == before + 1


def test_an_action_has_usual_values(connector: Connector) -> None:
    action = stored(make_action(connector))
    assert (action.max_attempts, action.expires_after, action.enabled) == (10, None, True)
    assert action.params["body"] == "{{ event }}"
    assert action.public_id.startswith("act-")


def test_an_id_is_taken_once_in_a_space(connector: Connector) -> None:
    make_action(connector, public_id="mine")
    make_action(make_connector(make_space()), public_id="mine")
    assert errors_of(lambda: make_action(connector, public_id="mine")) == [("/id", 'The ID "mine" is already taken.')]


def test_everything_wrong_is_reported_at_once_and_nothing_is_stored(space: Space, connector: Connector) -> None:
    before = revision(space)
    found = errors_of(
        lambda: create_action(
            space,
            connector=connector,
            name="",
            public_id="No!",
            params={"method": "BREW", "nope": 1},
            max_attempts=0,
            expires_after=0,
        )
    )
    assert [pointer for pointer, _ in found] == [
        "/id",
        "/name",
        "/max_attempts",
        "/expires_after",
        "/params/method",
        "/params/nope",
    ]
    assert not Action.objects.exists()
    assert revision(space) == before


@pytest.mark.parametrize(
    ("policy", "place"),
    [
        ({"max_attempts": 51}, "/max_attempts"),
        ({"expires_after": 10**12}, "/expires_after"),
        ({"expires_after": -1}, "/expires_after"),
        ({"timeout": 0.5}, "/timeout"),
        ({"timeout": 10**6}, "/timeout"),
        ({"timeout": float("nan")}, "/timeout"),
        ({"max_per_second": 0}, "/max_per_second"),
        ({"max_per_second": float("inf")}, "/max_per_second"),
        ({"max_concurrency": 0}, "/max_concurrency"),
        ({"max_concurrency": 1001}, "/max_concurrency"),
        ({"ordering_key": "{{ event.data.device"}, "/ordering_key"),
        ({"ordering_key": "{{ evnet.id }}"}, "/ordering_key"),
        ({"ordering_key": "x" * 501}, "/ordering_key"),
        ({"ordering_key": "\0"}, "/ordering_key"),
        ({"retry": {"delays": [1, 0]}}, "/retry/delays"),
        ({"retry": {"delays": [1], "base": 1}}, "/retry"),
        ({"retry": {"retry_on": ["4xx"]}}, "/retry/retry_on"),
        ({"retry": {"nonsense": 1}}, "/retry/nonsense"),
        ({"retry": [5]}, "/retry"),
    ],
)
def test_the_policy_has_bounds(connector: Connector, policy: dict[str, Any], place: str) -> None:
    ((pointer, _),) = errors_of(lambda: make_action(connector, **policy))
    assert pointer == place


def test_a_policy_is_stored_as_it_was_said_without_what_is_usual(connector: Connector) -> None:
    policy: dict[str, Any] = {
        "timeout": 2.5,
        "max_per_second": 0.5,
        "max_concurrency": 3,
        "ordering_key": "{{ event.data.device }}",
    }
    said = {"base": 5.0, "factor": 2.0, "cap": 60.0, "retry_on": ["404"], "never_retry_on": []}
    action = stored(make_action(connector, retry=said, **policy))
    assert {name: getattr(action, name) for name in policy} == policy
    assert action.retry == {"base": 5.0, "cap": 60.0, "retry_on": ["404"]}


def test_another_spaces_connector_does_not_exist_here(space: Space, connector: Connector) -> None:
    foreign = make_connector(make_space(), public_id="theirs")
    gone = make_connector(space, public_id="gone")
    delete_connector(Connector.objects.get(pk=gone.pk))
    for other in (foreign, gone):
        expected = [("/connector", f'There is no connector "{other.public_id}" in this space.')]
        create = partial(create_action, space, connector=other, name="A", params={})
        assert errors_of(create) == expected
    action = make_action(connector)
    assert [pointer for pointer, _ in errors_of(lambda: update_action(action, connector=foreign))] == ["/connector"]
    assert stored(action).connector == connector


@pytest.mark.parametrize(
    ("params", "pointer", "said"),
    [
        ({"body": "{{ event.data.site"}, "/params/body", ""),
        ({"body": "{{ evnet.data }}"}, "/params/body", "evnet"),
        ({"body": {"a": [1, {"b/c": "{% if %}"}]}}, "/params/body/a/1/b~1c", ""),
        ({"path": "/{{ }}"}, "/params/path", ""),
        ({"headers": {"X-Type": "{{ event.type | nofilter }}"}}, "/params/headers/X-Type", "nofilter"),
        ({"headers": {"Host": "evil"}}, "/params/headers", ""),
        ({"body": "nul \0"}, "/params/body", "U+0000"),
        ({"body": {"x": float("inf")}}, "/params/body/x", "finite"),
        ({"headers": {"X": 1}}, "/params/headers/X", "string"),
        ("text", "/params", "object"),
    ],
)
def test_wrong_params_are_refused_at_their_place(connector: Connector, params: Any, pointer: str, said: str) -> None:
    ((found, detail),) = errors_of(lambda: make_action(connector, params=params))
    assert found == pointer
    assert said in detail
    assert not Action.objects.exists()


def test_a_connector_that_is_broken_takes_no_actions(connector: Connector) -> None:
    Connector.objects.filter(pk=connector.pk).update(config={"url": "gopher://x"})
    ((pointer, detail),) = errors_of(lambda: make_action(connector))
    assert pointer == "/connector"
    assert '"hook" must be repaired first' in detail
    Connector.objects.filter(pk=connector.pk).update(type="gone")
    ((pointer, detail),) = errors_of(lambda: make_action(connector))
    assert pointer == "/connector"
    assert "gone" in detail


# --- Update ---


def test_what_is_not_named_stays(connector: Connector) -> None:
    action = make_action(connector, params={"body": "{{ event.id }}"}, max_attempts=3, expires_after=60)
    updated = update_action(action, name="Other")
    now = stored(action)
    assert (now.name, now.version, updated.version) == ("Other", 2, 2)
    assert (now.public_id, now.params, now.max_attempts, now.expires_after, now.enabled) == (
        action.public_id,
        action.params,
        3,
        60,
        True,
    )


def test_each_change_moves_the_version_and_the_revision(space: Space, connector: Connector) -> None:
    action = make_action(connector)
    other = make_connector(space)
    before, was = revision(space), stored(action).updated_at
    changes: list[dict[str, Any]] = [
        {"name": "B"},
        {"params": {"body": None}},
        {"max_attempts": 1},
        {"expires_after": 5},
        {"expires_after": None},
        {"retry": {"delays": [1.0, 2.0]}},
        {"timeout": 5.0},
        {"max_per_second": 10.0},
        {"max_concurrency": 2},
        {"ordering_key": "{{ event.source }}"},
        {"enabled": False},
        {"connector": other},
    ]
    for version, change in enumerate(changes, start=2):
        update_action(action, **change)
        now = stored(action)
        assert now.version == version
        assert {name: getattr(now, name) for name in change if name != "params"} == {
            name: value for name, value in change.items() if name != "params"
        }
        assert now.updated_at > was
        assert revision(space) == before + version - 1
        was = now.updated_at
    assert stored(action).params["body"] is None


def test_a_refused_change_changes_nothing(space: Space, connector: Connector) -> None:
    action = make_action(connector)
    before = revision(space)
    found = errors_of(lambda: update_action(action, name="New", enabled=False, max_attempts=99, params={"body": "{{"}))
    assert [pointer for pointer, _ in found] == ["/max_attempts", "/params/body"]
    now = stored(action)
    assert (now.name, now.enabled, now.version, now.params) == (action.name, True, 1, action.params)
    assert revision(space) == before


def test_a_change_keeps_what_others_changed_meanwhile(connector: Connector) -> None:
    action = make_action(connector)
    mine, theirs = stored(action), stored(action)
    update_action(theirs, name="Theirs")
    update_action(mine, enabled=False)
    now = stored(action)
    assert (now.name, now.enabled, now.version) == ("Theirs", False, 3)


# --- Delete ---


def test_an_action_in_use_is_not_deleted_and_its_rules_are_named(space: Space, connector: Connector) -> None:
    action = make_action(connector, public_id="report")
    for public_id in ("b", "a"):
        make_rule(space, public_id=public_id, actions=[action])
    make_rule(space, public_id="other", actions=[make_action(connector)])
    with pytest.raises(InUse) as raised:
        delete_action(action)
    assert list(raised.value.users) == [("rule", "a"), ("rule", "b")]
    assert "a, b" in str(raised.value)
    assert Action.objects.filter(pk=action.pk).exists()


def test_a_deleted_action_is_gone_and_the_workers_are_told(space: Space, connector: Connector) -> None:
    action = make_action(connector)
    before = revision(space)
    delete_action(stored(action))
    assert not Action.objects.exists()
    assert revision(space) == before + 1
    with pytest.raises(Action.DoesNotExist):
        update_action(action, name="B")


def test_the_deliveries_of_a_deleted_action_stay(space: Space, connector: Connector) -> None:
    action = make_action(connector)
    delivery = Delivery.objects.create(
        space=space, event_id=1, rule_id="r", action=action, connector=connector, message={}, state="delivered"
    )
    delete_action(action)
    delete_connector(connector)
    assert Delivery.objects.filter(pk=delivery.pk).exists()


def test_a_connector_in_use_is_not_deleted_and_its_actions_are_named(space: Space, connector: Connector) -> None:
    for public_id in ("b", "a"):
        make_action(connector, public_id=public_id)
    make_action(make_connector(space), public_id="other")
    before = revision(space)
    with pytest.raises(InUse) as raised:
        delete_connector(connector)
    assert list(raised.value.users) == [("action", "a"), ("action", "b")]
    assert "a, b" in str(raised.value)
    assert Connector.objects.filter(pk=connector.pk).exists()
    assert revision(space) == before


def test_a_connector_may_be_changed_while_actions_use_it(connector: Connector) -> None:
    make_action(connector)
    assert update_connector(connector, enabled=False).version == 2


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"retry": {"delays": ["1"]}}, "/retry/delays/0"),
        ({"retry": {"delays": [True]}}, "/retry/delays/0"),
        ({"retry": {"base": "2"}}, "/retry/base"),
        ({"retry": {"delays": "1"}}, "/retry/delays"),
        ({"params": {"batch_size": "2"}}, "/params/batch_size"),
        ({"params": {"batch_size": True}}, "/params/batch_size"),
    ],
)
def test_a_text_is_no_number_and_a_flag_is_none(connector: Connector, values: dict[str, Any], place: str) -> None:
    ((pointer, detail),) = errors_of(lambda: make_action(connector, **values))
    assert pointer == place
    assert detail in ("Give a number.", "Give a whole number.", "Give a list.")


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"method": "GET"}, "/params/batch_size"),
        ({"headers": {"Content-Type": "text/plain"}}, "/params/batch_size"),
        ({"body": None}, "/params/batch_size"),
    ],
)
def test_a_batch_that_cannot_be_made_is_refused_when_the_action_is_saved(
    connector: Connector, params: dict[str, Any], place: str
) -> None:
    ((pointer, _),) = errors_of(lambda: make_action(connector, params={**params, "batch_size": 5}))
    assert pointer == place
    make_action(connector, params={**params, "batch_size": 1})
    make_action(connector, params={"headers": {"Content-Type": "application/x-ndjson"}, "batch_size": 5})
