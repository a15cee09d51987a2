"""The console's forms of every type: what they show can be saved as it stands, and saved again unchanged."""

from typing import Any

import pytest
from django.forms import BoundField, CheckboxInput
from django.test import Client
from django.urls import reverse

from actions.models import Action
from connectors.models import Connector
from connectors.reference.examples import example_of
from connectors.services import create_connector
from connectors.types.base import AnyConnectorType
from connectors.types.registry import all_types
from rules.models import Source
from rules.sources.registry import all_types as all_source_types
from spaces.models import Space

TYPES = pytest.mark.parametrize("connector_type", all_types().values(), ids=lambda found: found.id)


def make(space: Space, connector_type: AnyConnectorType) -> Connector:
    connector = example_of(connector_type).connector
    return create_connector(
        space,
        type=connector_type.id,
        name=connector["name"],
        config=connector["config"],
        secrets=connector.get("secrets", {}),
    )


def shown(answer: Any) -> dict[str, Any]:
    """Return what a browser would send of the form that it shows."""
    assert answer.status_code == 200
    form = answer.context["adminform"].form
    values = {bound.html_name: _sent(bound) for bound in form}
    return {name: value for name, value in values.items() if value is not None}


def _sent(bound: BoundField) -> Any:
    value = bound.value()
    if isinstance(bound.field.widget, CheckboxInput):
        return "on" if value else None
    return bound.field.widget.format_value(value)


def save(console: Client, url: str, **entered: Any) -> None:
    answer = console.post(url, {**shown(console.get(url)), **entered})
    errors = answer.context["adminform"].form.errors if answer.status_code == 200 else {}
    assert answer.status_code == 302, errors


@TYPES
def test_an_action_of_every_type_is_made_and_saved_again(
    console: Client, space: Space, connector_type: AnyConnectorType
) -> None:
    connector = make(space, connector_type)
    params = {**connector_type.default_params(), **example_of(connector_type).action["params"]}
    save(console, f"{reverse('admin:actions_action_add')}?connector={connector.pk}", name="Tell")
    action = Action.objects.get()
    assert action.params.keys() >= params.keys()
    before = action.params
    save(console, reverse("admin:actions_action_change", args=[action.pk]))
    assert Action.objects.get().params == before


@pytest.mark.parametrize("source_type", all_source_types())
def test_a_source_of_every_type_is_made_and_saved_again(console: Client, space: Space, source_type: str) -> None:
    connector = make(space, all_types()[source_type])
    url = f"{reverse('admin:rules_source_add')}?connector={connector.pk}"
    save(console, url, name="Ovens", **{f"{source_type}_params_topics": "ovens"})
    source = Source.objects.get()
    before = source.params
    save(console, reverse("admin:rules_source_change", args=[source.pk]))
    assert Source.objects.get().params == before
