"""Rules in the console: types and sources, a condition, and actions of the same space."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from actions.models import Action
from rules.models import Rule
from rules.services import create_rule
from spaces.models import Space
from tests.admin.conftest import HOSTILE, make_action, make_connector
from tests.factories import connector_of

ADD = "admin:rules_rule_add"
LIST = "admin:rules_rule_changelist"
PAGES = ("change", "delete", "history")


@pytest.fixture
def action(space: Space) -> Action:
    return make_action(make_connector(space))


SUBJECTS = ["sensors/+/temp", "alarms/#"]


def entered(into: Space, *actions: Action, **fields: Any) -> dict[str, Any]:
    return {
        "name": "Hot",
        "public_id": "hot",
        "space": into.pk,
        "type": "event",
        "enabled": "on",
        "event_params_event_types": "sensor.*\r\norder.paid\r\n",
        "event_params_sources": "",
        "event_params_subjects": "sensors/+/temp\r\nalarms/#",
        "condition": "event.data.temperature > 30.0",
        "tags": "blue\r\ngreen",
        "actions": [action.pk for action in actions],
        **fields,
    }


def make(space: Space, *actions: Action, **fields: Any) -> Rule:
    given: dict[str, Any] = {"name": "Hot", "public_id": "hot", "params": {}, **fields}
    return create_rule(space, actions=actions, **given)


def url(rule: Rule, page: str = "change") -> str:
    return reverse(f"admin:rules_rule_{page}", args=[rule.pk])


def form_errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return {name: list(errors) for name, errors in answer.context["adminform"].form.errors.items()}


def test_a_rule_is_created_through_the_service(console: Client, space: Space, action: Action) -> None:
    assert console.post(reverse(ADD), entered(space, action)).status_code == 302
    rule = Rule.objects.get(public_id="hot")
    assert rule.params == {"event_types": ["sensor.*", "order.paid"], "sources": [], "subjects": SUBJECTS}
    assert (rule.space, rule.condition, rule.tags) == (space, "event.data.temperature > 30.0", ["blue", "green"])
    assert list(rule.actions.all()) == [action]


@pytest.mark.parametrize(
    ("fields", "wrong", "said"),
    [
        ({"name": ""}, "name", "required"),
        ({"public_id": "Not An ID"}, "public_id", "lower-case"),
        ({"type": "unknown"}, "type", "unknown"),
        ({"condition": "event.data.temperature >\n  > 3"}, "condition", "line 2, column 3"),
        ({"condition": "unknown == 1"}, "condition", "unknown"),
        ({"event_params_event_types": "a\na*b"}, "event_params_event_types", "Item 2: "),
        ({"event_params_subjects": "a/+\na/#/b"}, "event_params_subjects", "Item 2: # stands alone"),
        ({"tags": "fine\n" + "x" * 51}, "tags", "Item 2: "),
    ],
)
def test_an_error_stands_on_the_field_it_belongs_to(
    console: Client, space: Space, fields: dict[str, str], wrong: str, said: str
) -> None:
    errors = form_errors(console.post(reverse(ADD), entered(space, **fields)))
    assert list(errors) == [wrong]
    assert said in errors[wrong][0]
    assert not Rule.objects.exists()


def test_a_rule_is_changed_and_its_actions_with_it(console: Client, space: Space, action: Action) -> None:
    second = make_action(connector_of(action), 2)
    rule = make(space, action)
    assert console.post(url(rule), entered(space, second, condition="")).status_code == 302
    rule.refresh_from_db()
    assert (list(rule.actions.all()), rule.condition, rule.version) == ([second], "", 2)


def test_the_form_shows_what_the_rule_has(console: Client, space: Space, action: Action) -> None:
    rule = make(space, action, params={"event_types": ["a.b", "c.*"]}, condition="true", tags=["t1", "t2"])
    text = console.get(url(rule)).content.decode()
    for shown in ("a.b\nc.*", "true", "t1\nt2", f'<option value="{action.pk}" selected>'):
        assert shown in text


@pytest.mark.parametrize("existing", [True, False])
def test_an_action_of_another_space_is_refused(
    console: Client, space: Space, other_space: Space, existing: bool
) -> None:
    foreign = make_action(make_connector(other_space))
    page = url(make(space)) if existing else reverse(ADD)
    assert list(form_errors(console.post(page, entered(space, foreign)))) == ["actions"]
    assert not Rule.objects.filter(actions=foreign).exists()


def test_a_rule_stays_in_its_space(console: Client, space: Space, other_space: Space) -> None:
    rule = make(space)
    console.post(url(rule), entered(other_space, public_id="moved"))
    rule.refresh_from_db()
    assert (rule.space, rule.public_id) == (space, "hot")


def test_with_several_spaces_the_space_is_chosen_first(console: Client, space: Space, other_space: Space) -> None:
    assert 'name="condition"' not in console.get(reverse(ADD)).content.decode()
    assert 'name="condition"' in console.get(reverse(ADD), {"space": other_space.pk}).content.decode()


def test_the_choice_of_actions_is_of_one_space(console: Client, action: Action, other_space: Space) -> None:
    make_action(make_connector(other_space))
    query = {"app_label": "rules", "model_name": "rule", "field_name": "actions", "term": "Action"}
    answer = console.get(reverse("admin:autocomplete"), {**query, "space": str(action.space_id)})
    assert [each["id"] for each in answer.json()["results"]] == [str(action.pk)]


def test_a_rule_is_deleted_and_its_actions_stay(console: Client, space: Space, action: Action) -> None:
    rule = make(space, action)
    assert console.get(url(rule, "delete")).status_code == 200
    console.post(url(rule, "delete"), {"post": "yes"})
    assert not Rule.objects.exists()
    assert Action.objects.exists()


def test_rules_are_disabled_together(console: Client, space: Space) -> None:
    rule = make(space)
    console.post(reverse(LIST), {"action": "disable_selected", "_selected_action": rule.pk, "index": 0})
    rule.refresh_from_db()
    assert (rule.enabled, rule.version) == (False, 2)


def test_the_number_of_queries_of_the_list_does_not_grow(console: Client, space: Space, action: Action) -> None:
    make(space, action)
    with CaptureQueriesContext(connection) as few:
        console.get(reverse(LIST))
    for number in range(2, 20):
        make(space, action, make_action(connector_of(action), number), public_id=f"r{number}")
    with CaptureQueriesContext(connection) as many:
        console.get(reverse(LIST))
    assert len(many) == len(few)


def test_names_and_conditions_are_escaped(console: Client, space: Space) -> None:
    action = make_action(make_connector(space), name=HOSTILE)
    rule = Rule.objects.create(
        space=space,
        public_id="r",
        name=HOSTILE,
        condition=HOSTILE,
        tags=[HOSTILE],
        params={"event_types": [HOSTILE], "sources": [HOSTILE]},
    )
    rule.actions.set([action])
    for page in (reverse(LIST), *(url(rule, each) for each in PAGES)):
        text = console.get(page).content.decode()
        assert "alert(1)" in text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
