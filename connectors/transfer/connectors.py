"""Connectors in files."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from pydantic import Field, SecretStr

from connectors.models import Connector
from connectors.services.lifecycle import create_connector, described, entered_secrets, update_connector
from connectors.services.settings import stranded_secrets
from connectors.transfer.kinds import Kind, ObjectDocument, Resolve
from connectors.types.registry import require_type
from spaces.models import Space
from spaces.validation import reject


class ConnectorDocument(ObjectDocument):
    """A connector. ``missing_secrets`` names those that it has where it was exported, and that the file lacks."""

    connector_type_id: str
    tags: list[str] = Field(default_factory=list)
    config: dict[str, Any] = Field(default_factory=dict)
    secrets: dict[str, SecretStr | None] = Field(default_factory=dict)
    missing_secrets: list[str] = Field(default_factory=list)
    health_interval: int | None = None
    max_concurrency: int | None = None
    max_per_second: float | None = None
    enabled: bool = True


class ConnectorKind(Kind[Connector, ConnectorDocument]):
    """Connectors of a space; preconfigured ones are referred to, and never travel."""

    id = "connector"
    row_model = Connector
    document_model = ConnectorDocument
    shown_as = {"type": "connector_type_id"}

    def rows(self, space: Space) -> QuerySet[Connector]:
        return Connector.objects.filter(space=space)

    def find(self, space: Space, public_id: str) -> Connector | None:
        return Connector.objects.usable_in(space).filter(public_id=public_id).first()

    def describe(self, row: Connector) -> dict[str, Any]:
        document = described(row)
        del document["secrets"]
        return {**document, "missing_secrets": entered_secrets(row)}

    def create(self, space: Space, document: ConnectorDocument, public_id: str | None, resolve: Resolve) -> Connector:
        return create_connector(
            space,
            public_id=public_id,
            type=document.connector_type_id,
            name=document.name,
            tags=document.tags,
            config=document.config,
            secrets=_texts(document.secrets),
            awaited=document.missing_secrets,
            health_interval=document.health_interval,
            max_concurrency=document.max_concurrency,
            max_per_second=document.max_per_second,
            enabled=document.enabled,
        )

    def overwrite(self, row: Connector, document: ConnectorDocument, resolve: Resolve) -> Connector:
        if document.connector_type_id != row.type:
            raise reject("/connector_type_id", f'The connector "{row.public_id}" here is of type "{row.type}".')
        require_type(row.type)
        # What was entered for another target must not follow to this one.
        stranded = stranded_secrets(row, document.config)
        return update_connector(
            row,
            name=document.name,
            tags=document.tags,
            config=document.config,
            secrets={**dict.fromkeys(stranded), **_texts(document.secrets)},
            awaited=[*document.missing_secrets, *stranded],
            health_interval=document.health_interval,
            max_concurrency=document.max_concurrency,
            max_per_second=document.max_per_second,
            enabled=document.enabled,
        )

    def carries_secrets(self, document: ConnectorDocument) -> bool:
        return bool(document.secrets)

    def missing_secrets(self, row: Connector) -> list[str]:
        return list(row.missing_secrets)


def _texts(secrets: Mapping[str, SecretStr | None]) -> dict[str, str | None]:
    return {name: None if value is None else value.get_secret_value() for name, value in secrets.items()}
