"""The console's fields of a connector's secrets, and the way to those that are missing."""

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from connectors.models import Connector
from connectors.services.settings import awaited_secrets
from connectors.types.base import AnyConnectorType
from connectors.types.registry import all_types
from spaces.admin.schema_fields import SecretFields


def secret_fields(declared: AnyConnectorType) -> SecretFields:
    """Return the fields of the type's secrets."""
    return SecretFields(declared.secrets_model, f"{declared.id}_secret", "secrets_set_at", "/secrets")


def secret_values(connector: Connector) -> Mapping[str, Any]:
    """Return the secrets that are set, and since when, and "" for each that is awaited and may be given up."""
    return {**dict.fromkeys(awaited_secrets(connector), ""), **connector.secrets_set_at}


def fix_url(connector: Connector) -> str:
    """Return the address of the first field of a secret that is missing."""
    page = reverse("admin:connectors_connector_change", args=[connector.pk])
    return f"{page}#{anchor(connector, connector.missing_secrets[0])}" if connector.missing_secrets else page


def anchor(connector: Connector, secret: str) -> str:
    """Return the HTML id of the field of this secret."""
    declared = all_types().get(connector.type)
    return f"id_{secret_fields(declared).form_name(secret)}" if declared else ""


def title(connector: Connector, secret: str) -> str:
    """Return what the form calls this secret."""
    declared = all_types().get(connector.type)
    schema = secret_fields(declared).properties.get(secret, {}) if declared else {}
    return str(schema.get("title", secret))
