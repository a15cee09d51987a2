"""The rule type ``event``."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from rules.topics import TopicFilter
from rules.types.base import EventRuleType, Params, Watch

MAX_PATTERNS = 100


def _check_wildcard(pattern: str) -> str:
    if "*" in pattern[:-1]:
        raise ValueError("Write * at the end only, or not at all.")
    return pattern


def _distinct(patterns: list[str]) -> list[str]:
    return list(dict.fromkeys(patterns))


Pattern = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512), AfterValidator(_check_wildcard)
]
PatternList = Annotated[list[Pattern], Field(max_length=MAX_PATTERNS), AfterValidator(_distinct)]
FilterList = Annotated[list[TopicFilter], Field(max_length=MAX_PATTERNS), AfterValidator(_distinct)]


class EventParams(Params):
    """Which events to look at."""

    event_types: PatternList = Field(
        [],
        title="Event types",
        description="Such as order.paid, or order.* for all that begin so. Empty: any but switchyard.*, "
        "the installation's own.",
    )
    sources: PatternList = Field(
        [], title="Sources", description="Such as /shops/7, or /shops/* for all that begin so. Empty: any."
    )
    subjects: FilterList = Field(
        [],
        title="Subjects",
        description="Topic filters with + for any one level and # for all that follow, such as sensors/+/temp or "
        "alarms/#. Empty: any, and events without a subject.",
    )


class EventRule(EventRuleType[EventParams]):
    """Triggers for each single event that is watched and meets the condition."""

    id = "event"
    name = "Event"
    description = "Each event of the chosen types, sources and subjects that meets the condition."
    params_model = EventParams

    def watch(self, params: EventParams) -> Watch:
        return Watch(tuple(params.event_types), tuple(params.sources), tuple(params.subjects))
