"""Actions through preconfigured connectors in the console: each lives in a space that was chosen for it."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from actions.models import Action
from connectors.models import Connector
from spaces.models import Space
from tests.admin.conftest import make_action, make_connector
from tests.admin.samples import make_preconfigured, make_sample

ADD = "admin:actions_action_add"
LIST = "admin:actions_action_changelist"

pytestmark = pytest.mark.usefixtures("sample_type")


def written(connector: Connector, **fields: Any) -> dict[str, Any]:
    return {
        "name": "Tell them",
        "public_id": "tell",
        "connector": connector.pk,
        "enabled": "on",
        "max_attempts": "5",
        "sample_params_kind": "long",
        "sample_params_text": "text",
        "sample_params_extra": "{}",
        **fields,
    }


def offered(console: Client, space: Space) -> set[str]:
    """What the form's autocomplete finds."""
    named: dict[str, Any] = {
        "app_label": "actions",
        "model_name": "action",
        "field_name": "connector",
        "space": space.pk,
        "term": "",
    }
    return {each["text"] for each in console.get(reverse("admin:autocomplete"), named).json()["results"]}


def test_a_spaces_connectors_and_the_preconfigured_ones_are_offered(
    console: Client, space: Space, other_space: Space
) -> None:
    make_sample(space, name="Mine")
    make_preconfigured(name="Shared")
    make_sample(other_space, name="Theirs", public_id="hidden")
    make_preconfigured(name="Hidden in the other", public_id="hidden")
    assert offered(console, space) == {"Mine", "Shared", "Hidden in the other"}
    assert offered(console, other_space) == {"Theirs", "Shared"}
    text = console.get(reverse(ADD), {"space": space.pk}).content.decode()
    assert f"?space={space.pk}" in text


def test_an_action_through_a_preconfigured_connector_lives_in_the_chosen_space(
    console: Client, space: Space, other_space: Space
) -> None:
    shared = make_preconfigured()
    form = f"{reverse(ADD)}?space={other_space.pk}&connector={shared.pk}"
    assert 'name="sample_params_text"' in console.get(form).content.decode()
    assert console.post(form, written(shared)).status_code == 302
    action = Action.objects.get()
    assert (action.space, action.connector) == (other_space, shared)
    page = reverse("admin:actions_action_change", args=[action.pk])
    assert console.post(page, written(shared, name="New", seen_version=1)).status_code == 302
    action.refresh_from_db()
    assert (action.name, action.space) == ("New", other_space)


def test_the_only_space_needs_no_choice(console: Client, space: Space) -> None:
    shared = make_preconfigured()
    assert console.post(f"{reverse(ADD)}?connector={shared.pk}", written(shared)).status_code == 302
    assert Action.objects.get().space == space


def test_without_a_space_it_is_asked_for(console: Client, space: Space, other_space: Space) -> None:
    shared = make_preconfigured()
    text = console.get(reverse(ADD), {"connector": shared.pk}).content.decode()
    assert 'name="space"' in text
    assert f'name="connector" value="{shared.pk}"' in text
    answer = console.post(reverse(ADD), written(shared))
    assert list(answer.context["adminform"].form.errors) == ["connector"]
    assert not Action.objects.exists()


def test_a_connector_that_the_space_shadows_is_refused(console: Client, space: Space, other_space: Space) -> None:
    shared = make_preconfigured(public_id="same")
    make_connector(space, public_id="same")
    answer = console.post(f"{reverse(ADD)}?space={space.pk}&connector={shared.pk}", written(shared))
    assert list(answer.context["adminform"].form.errors) == ["connector"]
    assert not Action.objects.exists()


def test_the_list_is_narrowed_to_a_connector(console: Client, space: Space) -> None:
    connector, other = make_connector(space, 1), make_connector(space, 2)
    mine = make_action(connector, 1)
    make_action(other, 2)
    for query in ("", "&_facets=True"):
        answer = console.get(f"{reverse(LIST)}?connector__id__exact={connector.pk}{query}")
        assert list(answer.context["cl"].result_list) == [mine]


@pytest.mark.parametrize("value", ["x", "999", "9" * 40, "-1", "²"])
def test_a_connector_that_is_none_is_no_server_error(console: Client, space: Space, value: str) -> None:
    make_action(make_connector(space))
    assert console.get(reverse(LIST), {"connector__id__exact": value}).status_code in (200, 302, 400)
