"""Rules and sources in files."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Prefetch, QuerySet
from pydantic import BaseModel, ConfigDict, Field

from actions.models import Action
from connectors.models import Connector
from connectors.transfer.kinds import Kind, ObjectDocument, Reference, Resolve
from rules.links import Link
from rules.models import Frequency, MaintenanceWindow, Rule, RuleAction, Source
from rules.services import sources, windows
from rules.services.rules import create_rule, described, update_rule
from spaces.models import Space
from spaces.validation import extend, reject


class LinkDocument(BaseModel):
    """An action that a rule triggers, and which alerts it hears of, how often."""

    model_config = ConfigDict(extra="forbid")

    id: str
    group: str = ""
    frequency: str = Frequency.CHANGE.value
    throttle: int | None = None


class RuleDocument(ObjectDocument):
    """A rule; ``actions`` are those that it triggers, in order: the ID alone, where that says it all."""

    rule_type_id: str = "event"
    params: dict[str, Any] = Field(default_factory=dict)
    condition: str = ""
    tags: list[str] = Field(default_factory=list)
    enabled: bool = True
    actions: list[str | LinkDocument] = Field(default_factory=list)
    interval: int | None = None
    delay: int = 1
    flapping_look_back: int = 20
    flapping_threshold: int = 4
    mute_all: bool = False
    snooze_schedule: list[dict[str, Any]] = Field(default_factory=list)


class RuleKind(Kind[Rule, RuleDocument]):
    """Rules of a space."""

    id = "rule"
    row_model = Rule
    document_model = RuleDocument
    shown_as = {"type": "rule_type_id", "muted": "mute_all", "snoozes": "snooze_schedule"}

    def rows(self, space: Space) -> QuerySet[Rule]:
        links = Prefetch("links", RuleAction.objects.select_related("action"))
        return Rule.objects.filter(space=space).prefetch_related(links)

    def describe(self, row: Rule) -> dict[str, Any]:
        return described(row)

    def references(self, document: Mapping[str, Any]) -> list[Reference]:
        named = [action if isinstance(action, str) else action["id"] for action in document["actions"]]
        return [Reference("action", action) for action in dict.fromkeys(named)]

    def create(self, space: Space, document: RuleDocument, public_id: str | None, resolve: Resolve) -> Rule:
        return create_rule(
            space,
            public_id=public_id,
            type=document.rule_type_id,
            name=document.name,
            params=document.params,
            condition=document.condition,
            tags=document.tags,
            enabled=document.enabled,
            actions=_links(document, resolve),
            interval=document.interval,
            delay=document.delay,
            flapping_look_back=document.flapping_look_back,
            flapping_threshold=document.flapping_threshold,
            muted=document.mute_all,
            snoozes=document.snooze_schedule,
        )

    def overwrite(self, row: Rule, document: RuleDocument, resolve: Resolve) -> Rule:
        if document.rule_type_id != row.type:
            raise reject("/rule_type_id", f'The rule "{row.public_id}" here is of type "{row.type}".')
        return update_rule(
            row,
            name=document.name,
            params=document.params,
            condition=document.condition,
            tags=document.tags,
            enabled=document.enabled,
            actions=_links(document, resolve),
            interval=document.interval,
            delay=document.delay,
            flapping_look_back=document.flapping_look_back,
            flapping_threshold=document.flapping_threshold,
            muted=document.mute_all,
            snoozes=document.snooze_schedule,
        )


def _links(document: RuleDocument, resolve: Resolve) -> list[Link]:
    links = []
    for at, each in enumerate(document.actions):
        said = LinkDocument(id=each) if isinstance(each, str) else each
        action: Action = resolve("action", said.id, extend("/actions", at))
        links.append(Link(action, said.group, said.frequency, said.throttle))
    return links


class WindowDocument(ObjectDocument):
    """A maintenance window; ``rules`` are IDs."""

    enabled: bool = True
    schedule: dict[str, Any]
    condition: str = ""
    rules: list[str] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)


class WindowKind(Kind[MaintenanceWindow, WindowDocument]):
    """Maintenance windows of a space."""

    id = "maintenance_window"
    row_model = MaintenanceWindow
    document_model = WindowDocument

    def rows(self, space: Space) -> QuerySet[MaintenanceWindow]:
        return MaintenanceWindow.objects.filter(space=space)

    def describe(self, row: MaintenanceWindow) -> dict[str, Any]:
        # What was deleted would keep the file from being imported.
        known = set(
            Rule.objects.filter(space=row.space_id, public_id__in=row.rules).values_list("public_id", flat=True)
        )
        return {**windows.described(row), "rules": [rule for rule in row.rules if rule in known]}

    def references(self, document: Mapping[str, Any]) -> list[Reference]:
        return [Reference("rule", rule) for rule in document["rules"]]

    def create(self, space: Space, document: WindowDocument, public_id: str | None, resolve: Resolve) -> Any:
        return windows.create_window(space, public_id=public_id, **_of_window(document, resolve))

    def overwrite(self, row: MaintenanceWindow, document: WindowDocument, resolve: Resolve) -> Any:
        return windows.update_window(row, **_of_window(document, resolve))


def _of_window(document: WindowDocument, resolve: Resolve) -> windows.WindowChanges:
    rules = [resolve("rule", rule, extend("/rules", at)) for at, rule in enumerate(document.rules)]
    return {
        "name": document.name,
        "enabled": document.enabled,
        "schedule": document.schedule,
        "condition": document.condition,
        "rules": [rule.public_id for rule in rules],
        "tags": document.tags,
    }


class SourceDocument(ObjectDocument):
    """A source, with the ID of its connector, null once that was deleted."""

    connector: str | None
    params: dict[str, Any] = Field(default_factory=dict)
    enabled: bool = True


class SourceKind(Kind[Source, SourceDocument]):
    """Sources of a space."""

    id = "source"
    row_model = Source
    document_model = SourceDocument

    def rows(self, space: Space) -> QuerySet[Source]:
        return Source.objects.filter(space=space).select_related("connector")

    def describe(self, row: Source) -> dict[str, Any]:
        return sources.described(row)

    def references(self, document: Mapping[str, Any]) -> list[Reference]:
        return [Reference("connector", document["connector"])] if document["connector"] else []

    def create(self, space: Space, document: SourceDocument, public_id: str | None, resolve: Resolve) -> Source:
        return sources.create_source(
            space,
            public_id=public_id,
            name=document.name,
            connector=_connector(document, resolve),
            params=document.params,
            enabled=document.enabled,
        )

    def overwrite(self, row: Source, document: SourceDocument, resolve: Resolve) -> Source:
        return sources.update_source(
            row,
            name=document.name,
            connector=_connector(document, resolve),
            params=document.params,
            enabled=document.enabled,
        )


def _connector(document: SourceDocument, resolve: Resolve) -> Connector:
    if document.connector is None:
        raise reject("/connector", "Its connector was deleted: name another.")
    found: Connector = resolve("connector", document.connector, "/connector")
    return found
