"""Actions in the console: the form is that of the connector's type."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from actions.models import Action
from actions.services import create_action
from connectors.models import Connector
from connectors.services import create_connector
from rules.models import Rule, RuleAction
from spaces.models import Space
from tests.admin.conftest import HOSTILE, make_action, make_connector
from tests.factories import space_of

ADD = "admin:actions_action_add"
LIST = "admin:actions_action_changelist"
PAGES = ("change", "delete", "history")

pytestmark = pytest.mark.usefixtures("sample_type")


@pytest.fixture
def connector(space: Space) -> Connector:
    return create_connector(space, type="sample", name="System", config={"host": "example.com"}, secrets={})


def entered(connector: Connector, **fields: Any) -> dict[str, Any]:
    return {
        "name": "Tell them",
        "public_id": "tell",
        "connector": connector.pk,
        "enabled": "on",
        "max_attempts": "5",
        "expires_after": "",
        "sample_params_kind": "long",
        "sample_params_text": "{{ event.data.site }}",
        "sample_params_extra": "{}",
        **fields,
    }


def make(connector: Connector, **fields: Any) -> Action:
    given: dict[str, Any] = {"name": "Tell them", "public_id": "tell", "params": {"text": "hello"}, **fields}
    return create_action(space_of(connector), connector=connector, **given)


def url(action: Action, page: str = "change") -> str:
    return reverse(f"admin:actions_action_{page}", args=[action.pk])


def form_errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return {name: list(errors) for name, errors in answer.context["adminform"].form.errors.items()}


def add_url(connector: Connector) -> str:
    return f"{reverse(ADD)}?connector={connector.pk}"


def test_the_connector_is_chosen_first_and_brings_its_types_fields(console: Client, connector: Connector) -> None:
    asked = console.get(reverse(ADD)).content.decode()
    assert 'name="connector"' in asked
    assert reverse("admin:connectors_connector_add") in asked
    assert 'name="sample_params_text"' not in asked
    text = console.get(add_url(connector)).content.decode()
    for name in ("sample_params_kind", "sample_params_text", "sample_params_extra"):
        assert f'name="{name}"' in text
    assert "{{ event.id }}" in text
    assert "http_params" not in text


def test_with_several_spaces_the_space_is_chosen_before(
    console: Client, connector: Connector, other_space: Space
) -> None:
    assert 'name="space"' in console.get(reverse(ADD)).content.decode()
    asked = console.get(reverse(ADD), {"space": space_of(connector).pk}).content.decode()
    assert f"space={connector.space_id}" in asked
    assert 'name="connector"' in asked


def test_an_action_is_created_in_its_connectors_space(
    console: Client, connector: Connector, other_space: Space
) -> None:
    assert console.post(add_url(connector), entered(connector)).status_code == 302
    action = Action.objects.get(public_id="tell")
    assert (action.space, action.connector, action.max_attempts) == (connector.space, connector, 5)
    assert action.params == {"kind": "long", "text": "{{ event.data.site }}", "extra": {}}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": ""}, "name"),
        ({"public_id": "Not An ID"}, "public_id"),
        ({"max_attempts": "0"}, "max_attempts"),
        ({"max_attempts": "51"}, "max_attempts"),
        ({"expires_after": "-1"}, "expires_after"),
        ({"expires_after": "999999999"}, "expires_after"),
        ({"timeout": "0"}, "timeout"),
        ({"timeout": "9999"}, "timeout"),
        ({"max_per_second": "0"}, "max_per_second"),
        ({"max_concurrency": "0"}, "max_concurrency"),
        ({"ordering_key": "{{ nobody }}"}, "ordering_key"),
        ({"retry_delays": "5"}, "retry_delays"),
        ({"retry_base": "100000"}, "retry_base"),
        ({"retry_retry_on": "404\r\n4xx"}, "retry_retry_on"),
        ({"sample_params_text": ""}, "sample_params_text"),
        ({"sample_params_kind": "wide"}, "sample_params_kind"),
        ({"sample_params_extra": "{"}, "sample_params_extra"),
        ({"sample_params_extra": "[1]"}, "sample_params_extra"),
    ],
)
def test_an_error_stands_on_the_field_it_belongs_to(
    console: Client, connector: Connector, fields: dict[str, str], wrong: str
) -> None:
    assert list(form_errors(console.post(add_url(connector), entered(connector, **fields)))) == [wrong]
    assert not Action.objects.exists()


def test_a_fault_in_a_template_is_shown_at_its_field_with_its_place(console: Client, connector: Connector) -> None:
    fault = "first line\r\n{{ event.data.site"
    errors = form_errors(console.post(add_url(connector), entered(connector, sample_params_text=fault)))
    assert list(errors) == ["sample_params_text"]
    assert "line 2" in errors["sample_params_text"][0].lower()


def test_a_fault_deep_in_a_value_says_where(console: Client, connector: Connector) -> None:
    given = entered(connector, sample_params_extra='{"a": {"b": "{{ nonsense"}}')
    errors = form_errors(console.post(add_url(connector), given))
    assert list(errors) == ["sample_params_extra"]
    assert errors["sample_params_extra"][0].startswith("a/b: ")


def test_an_action_is_changed_through_the_service(console: Client, connector: Connector) -> None:
    action = make(connector)
    assert console.post(url(action), entered(connector, name="Other", expires_after="60")).status_code == 302
    action.refresh_from_db()
    assert (action.name, action.expires_after, action.version) == ("Other", 60, 2)


def test_the_whole_policy_is_entered_and_shown_again(console: Client, connector: Connector) -> None:
    action = make(connector)
    policy = {"timeout": "2.5", "max_per_second": "10", "max_concurrency": "3", "ordering_key": "{{ event.source }}"}
    retry = {"retry_delays": "[5, 60]", "retry_factor": "2", "retry_cap": "86400", "retry_retry_on": "404\r\n409"}
    assert console.post(url(action), entered(connector, **policy, **retry)).status_code == 302
    action.refresh_from_db()
    assert (action.timeout, action.max_per_second, action.max_concurrency) == (2.5, 10.0, 3)
    assert action.ordering_key == "{{ event.source }}"
    assert action.retry == {"delays": [5.0, 60.0], "retry_on": ["404", "409"]}
    shown = console.get(url(action)).context["adminform"].form
    assert shown["retry_retry_on"].value() == "404\n409"
    assert json.loads(shown["retry_delays"].value()) == [5.0, 60.0]


def test_a_connector_of_another_space_is_refused(console: Client, connector: Connector, other_space: Space) -> None:
    action = make(connector)
    foreign = create_connector(other_space, type="sample", name="F", config={"host": "x"}, secrets={})
    assert list(form_errors(console.post(url(action), entered(foreign)))) == ["connector"]
    action.refresh_from_db()
    assert action.connector == connector


def test_the_choice_of_connectors_is_of_one_space(console: Client, connector: Connector, other_space: Space) -> None:
    make_connector(other_space, 5, name="System of others")
    query = {"app_label": "actions", "model_name": "action", "field_name": "connector", "term": "System"}
    answer = console.get(reverse("admin:autocomplete"), {**query, "space": str(connector.space_id)})
    assert [each["text"] for each in answer.json()["results"]] == ["System"]


def test_an_action_in_use_is_not_deleted_and_its_rules_are_named(console: Client, connector: Connector) -> None:
    action = make(connector)
    rule = Rule.objects.create(space=action.space, public_id="r", name="The rule")
    RuleAction.objects.create(rule=rule, action=action)
    for answer in (
        console.get(url(action, "delete")),
        console.post(url(action, "delete"), {"post": "yes"}, follow=True),
    ):
        text = answer.content.decode()
        assert "The rule" in text
        assert reverse("admin:rules_rule_change", args=[rule.pk]) in text
    assert Action.objects.exists()
    rule.delete()
    console.post(url(action, "delete"), {"post": "yes"})
    assert not Action.objects.exists()


def test_actions_are_disabled_together(console: Client, connector: Connector) -> None:
    action = make(connector)
    console.post(reverse(LIST), {"action": "disable_selected", "_selected_action": action.pk, "index": 0})
    action.refresh_from_db()
    assert (action.enabled, action.version) == (False, 2)


def test_the_number_of_queries_of_the_list_does_not_grow(console: Client, space: Space) -> None:
    make_action(make_connector(space, 1), 1)
    with CaptureQueriesContext(connection) as few:
        console.get(reverse(LIST))
    for number in range(2, 20):
        make_action(make_connector(space, number), number)
    with CaptureQueriesContext(connection) as many:
        console.get(reverse(LIST))
    assert len(many) == len(few)


def test_names_and_params_are_escaped(console: Client, connector: Connector) -> None:
    connector.name = HOSTILE
    connector.save()
    action = make_action(connector, name=HOSTILE, params={"text": HOSTILE, "extra": {HOSTILE: HOSTILE}})
    rule = Rule.objects.create(space=action.space, public_id="r", name=HOSTILE)
    RuleAction.objects.create(rule=rule, action=action)
    for page in (reverse(LIST), add_url(connector), *(url(action, each) for each in PAGES)):
        text = console.get(page).content.decode()
        assert "alert(1)" in text
        assert "<script>alert" not in text
        assert "<img src=x" not in text


@pytest.mark.parametrize("connector", ["", "999999", "x", "\x00", "9" * 40])
def test_an_action_without_a_connector_is_refused(console: Client, space: Space, connector: str) -> None:
    answer = console.post(reverse(ADD), {"name": "N", "connector": connector, "max_attempts": "5"})
    assert list(form_errors(answer)) == ["connector"]
    assert console.get(reverse(ADD), {"connector": connector}).status_code == 200
