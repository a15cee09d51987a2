"""Compares what the events of a window come to with a threshold: all of them, or those of each group."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from rules.types.base import Finding, GatheringRuleType, ParamError, Recovery, Report, Run, Watch
from rules.types.event.event import EventParams
from rules.types.grouping import ALL, FIELD_PATTERN, MOST_GROUPS, Fields
from rules.types.threshold import buckets
from rules.types.threshold.aggregates import PLAIN, Aggregate, Percentile
from rules.types.threshold.comparison import TWO_SIDED, Comparator, Comparison, shown
from rules.types.threshold.memory import Memory
from rules.types.threshold.summing import EventSums, Sums, width_of

_DAY: Final = 24 * 3600
_DROPPED_EVERY: Final = 10  # runs
_FURTHEST: Final = 1e290

_WORDS: Final[dict[str, str]] = {
    "count": "number of events",
    "sum": "sum of {field}",
    "avg": "average of {field}",
    "min": "least {field}",
    "max": "greatest {field}",
    "distinct": "number of different values of {field}",
    "percentile": "percentile {percentile:g} of {field}",
}


def _as_one_word(value: Any) -> Any:
    return value.replace("-", "_") if isinstance(value, str) else value


FieldPath = Annotated[str, StringConstraints(strip_whitespace=True, pattern=f"^$|{FIELD_PATTERN}")]
Threshold = Annotated[float, Field(ge=-_FURTHEST, le=_FURTHEST, allow_inf_nan=False)]


class ThresholdParams(EventParams):
    """Which events to sum up, how, and what to compare that with."""

    aggregate: Literal["count", "sum", "avg", "min", "max", "distinct", "percentile"] = Field(
        "count", title="Aggregate", description="What the events of the window come to; distinct: how many values."
    )
    field: FieldPath = Field(
        "",
        title="Of the field",
        description="A number such as data.temperature; for distinct any field, source, subject or type. "
        "Empty for count.",
    )
    percentile: float = Field(95, title="Percentile", description="Of the aggregate percentile.", ge=1, le=99.9)
    window: int = Field(300, title="Over", description="Seconds up to now.", ge=10, le=7 * _DAY)
    comparator: Annotated[Comparator, BeforeValidator(_as_one_word)] = Field(
        ">",
        title="Is",
        description="The bounds are within between and not within not_between; a value on a bound is outside.",
    )
    threshold: Threshold = Field(title="Threshold", description="Of a range, the lower bound.")
    upper_threshold: Threshold | None = Field(
        None, title="Upper bound", description="Of a range: between, not_between and outside."
    )
    group_by: Fields = Field(
        [],
        title="Each by itself",
        description="At most two of source, subject, type and fields such as data.site: each value has its own sum.",
    )
    top: int | None = Field(
        None,
        title="Only the largest",
        description="So many groups with the largest values are looked at. Empty: all.",
        ge=1,
        le=1000,
    )
    forget_after: int = Field(
        7 * _DAY,
        title="Forget after",
        description="Seconds after which a group whose events do not come any more does not count as 0 any more.",
        ge=60,
        le=90 * _DAY,
    )


class ThresholdRule(GatheringRuleType[ThresholdParams]):
    """Keeps an alert while the value of a window is as the comparison asks, or one for each such group of events.

    The evaluation sums up the events in buckets, of which a window has some sixty: a run reads these, however many
    events there were. It counts when an event was received. As long as the rule does not know a whole window, nothing
    recovers, and it finds only what is met by how large a value is: that few events came is not known yet.
    """

    id = "threshold"
    name = "Threshold"
    description = "A count, sum, mean or other aggregate of events over a while, compared with a threshold."
    params_model = ThresholdParams
    usual_interval = 60
    action_groups = {"threshold_met": "Threshold met"}

    def watch(self, params: ThresholdParams) -> Watch:
        return Watch(tuple(params.event_types), tuple(params.sources), tuple(params.subjects))

    def gatherer(self, params: ThresholdParams) -> EventSums:
        return EventSums(_aggregate(params), params.field, params.group_by, width_of(params.window))

    def look_back(self, params: ThresholdParams) -> tuple[str, int]:
        """Return the window."""
        return "/window", params.window

    def check(self, params: ThresholdParams) -> Iterable[ParamError]:
        """Refuse what does not go together."""
        aggregate = _aggregate(params)
        if not aggregate.needs_field and params.field:
            yield ParamError("/field", "The number of events is of no field: leave it empty.")
        if aggregate.needs_field and not params.field:
            yield ParamError("/field", f"Give the field whose {params.aggregate} is asked for, such as data.amount.")
        if params.field in ("source", "subject", "type") and not aggregate.takes_text:
            yield ParamError("/field", "This is a text: give a number of the data, such as data.amount.")
        if params.comparator in TWO_SIDED:
            if params.upper_threshold is None:
                yield ParamError("/upper_threshold", f"Give the upper bound, too, for {params.comparator}.")
            elif params.upper_threshold < params.threshold:
                yield ParamError("/upper_threshold", "This must not be less than the threshold.")
        elif params.upper_threshold is not None:
            yield ParamError("/upper_threshold", "Leave this out: only a range has an upper bound.")
        if params.top is not None and not params.group_by:
            yield ParamError("/top", "Leave this out, or say what to group by.")

    def run(self, params: ThresholdParams, run: Run) -> Report:
        """Put the buckets of the window together, and compare."""
        now, width, aggregate = int(run.now.timestamp()), width_of(params.window), _aggregate(params)
        begin = (now - params.window) // width * width
        memory = Memory(run.memory, now, params.window, run.interval)
        end = now + memory.slack
        rows = buckets.read(run.rule_id, run.epoch, begin, end)
        window = Sums(aggregate)
        for row in rows:
            window.merge(row.data)
        buckets.put_together(run.rule_id, run.epoch, rows, window, aggregate)
        if run.number % _DROPPED_EVERY == 0 or memory.was_set_back:
            buckets.drop_old(run.rule_id, run.epoch, begin, end)
        look = _Look(params, run, memory)
        return look.report(window)


class _Look:
    """What one run makes of the sums of the window."""

    def __init__(self, params: ThresholdParams, run: Run, memory: Memory) -> None:
        self._params = params
        self._run = run
        self._memory = memory
        self._of_nothing = _aggregate(params).of_nothing
        upper = params.threshold if params.upper_threshold is None else params.upper_threshold
        self._comparison = Comparison(params.comparator, params.threshold, upper)

    def report(self, window: Sums) -> Report:
        """Compare, and return what there is."""
        values = {group: state.result() for group, state in window.groups.items()}
        forgotten = self._fill_up(values)
        known = {group: value for group, value in values.items() if value is not None}
        looked_at = self._largest(known)
        is_whole = self._memory.is_whole and not self._memory.is_behind
        is_met = self._comparison.is_met if is_whole else self._comparison.is_met_above
        findings = [
            Finding(group, "threshold_met", _plain(value), self._sentence(group, value))
            for group, value in looked_at.items()
            if is_met(value)
        ]
        left = self._run.open_keys - {each.key for each in findings}
        return Report(
            findings,
            recovered=[self._recovery(group, known, looked_at, forgotten) for group in sorted(left)],
            unjudged=() if is_whole else left,
            memory=self._memory.stored(),
            warnings=list(self._warnings(window)),
        )

    def _fill_up(self, values: dict[str, float | None]) -> frozenset[str]:
        """Give groups that have no events now the value of nothing; return those that are forgotten."""
        if self._of_nothing is None:
            return frozenset()
        if not self._params.group_by:
            values.setdefault(ALL, self._of_nothing)
        elif self._comparison.is_met(self._of_nothing):
            forgotten = self._memory.see_groups(values, self._params.forget_after)
            for group in self._memory.groups:
                values.setdefault(group, self._of_nothing)
            return forgotten
        return frozenset()

    def _largest(self, values: Mapping[str, float]) -> Mapping[str, float]:
        if self._params.top is None or len(values) <= self._params.top:
            return values
        # Of equal ones, always the same.
        kept = sorted(values, key=lambda group: (-values[group], group))[: self._params.top]
        return {group: values[group] for group in kept}

    def _recovery(
        self,
        group: str,
        known: Mapping[str, float],
        looked_at: Mapping[str, float],
        forgotten: frozenset[str],
    ) -> Recovery:
        if group in looked_at:
            return Recovery(group, _plain(known[group]), self._sentence(group, known[group], is_met=False))
        if group in known:
            return Recovery(
                group, _plain(known[group]), f"{group} is not among the largest {self._params.top} any more."
            )
        if group in forgotten:
            return Recovery(group, None, f"No events of {group} come any more: it is not looked at any more.")
        of = f" of {group}" if self._params.group_by else ""
        return Recovery(group, self._of_nothing, f"There were no events{of} over {_span(self._params.window)}.")

    def _sentence(self, group: str, value: float, *, is_met: bool = True) -> str:
        params = self._params
        what = _WORDS[params.aggregate].format(field=params.field, percentile=params.percentile)
        compared = (
            self._comparison.sentence() if is_met else f"not {self._comparison.sentence()}".replace("not not ", "")
        )
        of = f", for {group}" if params.group_by else ""
        return f"The {what} was {shown(value)} over {_span(params.window)}, {compared}{of}."

    def _warnings(self, window: Sums) -> Iterator[str]:
        if window.has_more or self._memory.has_more:
            yield f"There are more than {MOST_GROUPS} groups: the others are not looked at."
        if window.skipped:
            kind = "value" if self._params.aggregate == "distinct" else "number"
            yield f"{window.skipped} events had no {kind} in {self._params.field}: they do not count."
        yield from self._memory.warnings


def _aggregate(params: ThresholdParams) -> Aggregate:
    return PLAIN.get(params.aggregate) or Percentile(params.percentile)


def _plain(value: float) -> float:
    """Return a whole number as such, as messages show it."""
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else value


def _span(seconds: int) -> str:
    for size, unit in ((_DAY, "d"), (3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
