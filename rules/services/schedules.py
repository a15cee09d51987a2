"""When a rule that runs by itself runs, and what becomes of its alerts when it does not any more."""

from collections.abc import Mapping
from typing import Any, Final

from actions.engine.clock import database_time
from rules.alerts.keeping import untrack
from rules.models import Rule, RuleRun
from rules.scheduling.due import first_run
from rules.types.base import ScheduledRuleType
from rules.types.registry import all_types
from spaces.validation import Findings, clean_number, reject

SCHEDULED: Final = ("interval", "delay", "flapping_look_back", "flapping_threshold")
SHORTEST_INTERVAL: Final = 10
LONGEST_INTERVAL: Final = 24 * 3600
MOST_DELAY: Final = 100
MOST_LOOK_BACK: Final = 100


def clean_schedule(row: Rule, found: Findings, changes: Mapping[str, Any]) -> None:
    """Put the changes on the row; ``found`` gathers what is wrong with them."""
    rule_type = all_types().get(row.type)
    if rule_type is None:
        return  # of which the params tell
    if not rule_type.is_scheduled:
        with found.gather():
            if changes.get("interval") is not None:
                raise reject("/interval", f"Rules of the type {row.type} do not run by themselves: leave it out.")
        return
    if not rule_type.keeps_alerts and changes.get("interval") not in (None, rule_type.usual_interval):
        with found.gather():
            raise reject("/interval", f"Rules of the type {row.type} run when their params say: leave it out.")
    bounds = {
        "interval": (SHORTEST_INTERVAL, LONGEST_INTERVAL),
        "delay": (1, MOST_DELAY),
        "flapping_look_back": (1, MOST_LOOK_BACK),
        "flapping_threshold": (0, MOST_LOOK_BACK),
    }
    for name, (low, high) in bounds.items():
        if name in changes:
            value: Any = rule_type.usual_interval if changes[name] is None else changes[name]
            with found.gather():
                setattr(row, name, clean_number(value, f"/{name}", low, high))
    with found.gather():
        if row.flapping_threshold > row.flapping_look_back:
            raise reject("/flapping_threshold", "An alert changes at most once a run: use no more than the look-back.")


def what_it_looks_at(row: Rule) -> tuple[Any, ...]:
    """Return what a rule's alerts and what it remembers are of."""
    return row.enabled, row.params, row.condition


def _first_memory(row: Rule) -> dict[str, Any]:
    rule_type = all_types().get(row.type)
    return dict(rule_type.first_memory(database_time())) if isinstance(rule_type, ScheduledRuleType) else {}


def follow_rule(row: Rule, *, anew: bool = True) -> None:
    """Run soon, where the rule is enabled, after a change of it. Call it in the transaction of the change.

    ``anew`` is for a change of what it looks at: what a run finds that is under way is not stored, what it remembers,
    what was summed up for it and what its summaries gathered are forgotten, and its open alerts are not tracked any
    more, for nobody looks at what they were found in.
    """
    if row.interval is None:
        return
    changes: dict[str, Any] = {"next_at": first_run(row.pk) if row.enabled else None}
    if anew:
        changes |= {"lease_token": None, "lease_until": None, "memory": _first_memory(row), "failures": 0, "claims": 0}
    RuleRun.objects.update_or_create(rule=row, defaults=changes)
    if anew:
        row.summaries.all().delete()
        untrack(row, database_time())
        # A round that knows the former terms yet may add buckets of theirs: they are of another epoch.
        row.epoch += 1
        row.save(update_fields=["epoch"])
        row.buckets.all().delete()
