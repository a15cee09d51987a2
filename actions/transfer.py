"""Actions in files."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from pydantic import Field

from actions.models import Action
from actions.services.actions import create_action, described, update_action
from actions.services.policies import PolicyChanges
from connectors.models import Connector
from connectors.transfer.kinds import Kind, ObjectDocument, Reference, Resolve
from spaces.models import Space
from spaces.validation import reject


class ActionDocument(ObjectDocument):
    """An action, with the IDs of its connector, null once that was deleted, and of the action that is its fallback."""

    connector: str | None
    params: dict[str, Any] = Field(default_factory=dict)
    max_attempts: int = 10
    expires_after: int | None = None
    retry: dict[str, Any] = Field(default_factory=dict)
    timeout: float | None = None
    max_per_second: float | None = None
    max_concurrency: int | None = None
    ordering_key: str = ""
    fallback: str | None = None
    enabled: bool = True


class ActionKind(Kind[Action, ActionDocument]):
    """Actions of a space."""

    id = "action"
    row_model = Action
    document_model = ActionDocument

    def rows(self, space: Space) -> QuerySet[Action]:
        return Action.objects.filter(space=space).select_related("connector", "fallback")

    def describe(self, row: Action) -> dict[str, Any]:
        return described(row)

    def references(self, document: Mapping[str, Any]) -> list[Reference]:
        named = {"connector": document["connector"], "action": document.get("fallback")}
        return [Reference(kind, public_id) for kind, public_id in named.items() if public_id]

    def create(self, space: Space, document: ActionDocument, public_id: str | None, resolve: Resolve) -> Action:
        return create_action(
            space,
            public_id=public_id,
            name=document.name,
            connector=_connector(document, resolve),
            params=document.params,
            max_attempts=document.max_attempts,
            expires_after=document.expires_after,
            fallback=_fallback(document, resolve),
            enabled=document.enabled,
            **_policy(document),
        )

    def overwrite(self, row: Action, document: ActionDocument, resolve: Resolve) -> Action:
        return update_action(
            row,
            name=document.name,
            connector=_connector(document, resolve),
            params=document.params,
            max_attempts=document.max_attempts,
            expires_after=document.expires_after,
            fallback=_fallback(document, resolve),
            enabled=document.enabled,
            **_policy(document),
        )


def _policy(document: ActionDocument) -> PolicyChanges:
    return {
        "retry": document.retry,
        "timeout": document.timeout,
        "max_per_second": document.max_per_second,
        "max_concurrency": document.max_concurrency,
        "ordering_key": document.ordering_key,
    }


def _connector(document: ActionDocument, resolve: Resolve) -> Connector:
    if document.connector is None:
        raise reject("/connector", "Its connector was deleted: name another.")
    found: Connector = resolve("connector", document.connector, "/connector")
    return found


def _fallback(document: ActionDocument, resolve: Resolve) -> Action | None:
    if document.fallback is None:
        return None
    found: Action = resolve("action", document.fallback, "/fallback")
    return found
