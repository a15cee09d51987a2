"""Connectors of the sample type, and the console's pages of them."""

from typing import Any

from django.urls import reverse

from connectors.models import Connector
from connectors.services import create_connector
from spaces.models import Space

ADD = "admin:connectors_connector_add"
LIST = "admin:connectors_connector_changelist"
CANARY = "s3cret-canary"


def entered(into: Space, **fields: Any) -> dict[str, Any]:
    return {
        "name": "My system",
        "public_id": "mine",
        "space": into.pk,
        "type": "sample",
        "enabled": "on",
        "sample_config_host": "example.com",
        "sample_config_port": "7",
        **fields,
    }


def make_sample(space: Space, **fields: Any) -> Connector:
    given: dict[str, Any] = {"name": "My system", "public_id": "mine", "config": {"host": "example.com"}, **fields}
    return create_connector(space, type="sample", secrets=given.pop("secrets", {}), **given)


def url(connector: Connector, page: str = "change") -> str:
    return reverse(f"admin:connectors_connector_{page}", args=[connector.pk])


def form_errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return {name: list(errors) for name, errors in answer.context["adminform"].form.errors.items()}


def make_preconfigured(**fields: Any) -> Connector:
    """A connector as CONNECTORS_FILE leaves it."""
    given: dict[str, Any] = {"name": "Shared", "public_id": "shared", "config": {"host": "example.com"}, **fields}
    return Connector.objects.create(space=None, type="sample", **given)
