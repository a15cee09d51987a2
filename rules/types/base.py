"""The contract of a rule type: one folder, one instance of a RuleType subclass, found by the registry."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from rules.topics import matches
from spaces.services import OWN_EVENTS


class Params(BaseModel):
    """Base of a rule type's settings. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


ParamsT = TypeVar("ParamsT", bound=Params)


@dataclass(frozen=True, slots=True)
class Watch:
    """Which events a rule looks at: exact types and sources, or a prefix ending in ``*``, and topic filters of
    subjects; empty means any.

    The installation's own events are looked at by rules that name their types: whoever forwards everything means
    what comes in.
    """

    event_types: Sequence[str] = ()
    sources: Sequence[str] = ()
    subjects: Sequence[str] = ()

    def covers_type(self, event_type: str) -> bool:
        if not self.event_types:
            return not event_type.startswith(OWN_EVENTS)
        return _covers(self.event_types, event_type)

    def covers_source(self, source: str) -> bool:
        return _covers(self.sources, source)

    def covers_subject(self, subject: str) -> bool:
        """Return whether the rule looks at this subject; a filter matches none that is empty."""
        return not self.subjects or any(matches(topic_filter, subject) for topic_filter in self.subjects)


def _covers(patterns: Sequence[str], value: str) -> bool:
    return not patterns or any(
        value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern for pattern in patterns
    )


class RuleType(ABC, Generic[ParamsT]):
    """The code for one kind of rule, declared once. The admin form and API schema come from the declaration."""

    id: ClassVar[str]
    name: ClassVar[str]
    description: ClassVar[str]
    params_model: type[ParamsT]

    @abstractmethod
    def watch(self, params: ParamsT) -> Watch:
        """Return which events a rule with these params looks at; the evaluation indexes rules by it."""


AnyRuleType = RuleType[Any]
