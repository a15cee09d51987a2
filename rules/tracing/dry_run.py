"""Runs a rule that runs by itself once, as if it had just been enabled: it remembers nothing, and nothing is stored."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from actions.engine.clock import database_time
from rules.alerts.cycle import Settings, advance
from rules.alerts.keeping import fit
from rules.scheduling.running import Failure, Look, look_into
from rules.services.rules import Draft
from rules.tracing.explain import preview
from rules.tracing.places import leave_place, take_place
from rules.types.base import Report, Run
from rules.types.registry import get_scheduled_type

LONGEST: Final = 10.0  # seconds, where the type allows itself more
MOST_SHOWN: Final = 100
_NO_RULE: Final = 0  # a draft has no key


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that the run found: the alert that it would open, and the actions that would hear of it.

    ``state`` is "active", or "pending" where it has to be found more often first. ``value`` is JSON.
    """

    key: str
    group: str
    value: str
    summary: str
    state: str
    actions: Sequence[str]


@dataclass(frozen=True, slots=True)
class DryRun:
    """What one run found; ``reason`` and ``detail`` say why it tells nothing, where it failed."""

    found: Sequence[Found] = ()
    count: int = 0
    warnings: Sequence[str] = ()
    reason: str = ""
    detail: str = ""


def dry_run(draft: Draft) -> DryRun:
    """Run the rule once in a thread of its own, which is left to itself when it takes too long; raise TooBusy."""
    take_place()
    rule_type = get_scheduled_type(draft.rule.type)
    params = rule_type.params_model.model_validate(draft.rule.params)
    run = Run(_NO_RULE, draft.rule.space_id, database_time(), 1, draft.rule.interval or 0, {}, frozenset())
    look = Look()
    thread = threading.Thread(target=_look, args=(look, rule_type, params, run), name="dry run", daemon=True)
    thread.start()
    limit = min(rule_type.time_limit, LONGEST)
    thread.join(limit)
    result = look.result or Failure("timeout", f"It did not end within {limit:g} s.")
    if isinstance(result, Failure):
        return DryRun(reason=result.reason, detail=result.detail)
    return _told(draft, result)


def _look(look: Look, rule_type: Any, params: Any, run: Run) -> None:
    # One that hangs keeps its place: the number of threads stays bounded.
    try:
        look_into(look, rule_type, params, run)
    finally:
        leave_place()


def _told(draft: Draft, report: Report) -> DryRun:
    rule = draft.rule
    settings = Settings(rule.delay, rule.flapping_look_back, rule.flapping_threshold)
    found = {fit(each.key): each for each in report.findings}
    shown = []
    for key, each in list(found.items())[:MOST_SHOWN]:
        step = advance(None, each.group, 1, settings)
        is_active = step.change is not None
        hearing = [link.action.public_id for link in draft.links if link.group in ("", each.group)] if is_active else []
        shown.append(
            Found(
                key,
                each.group,
                preview(each.value),
                each.summary,
                "active" if is_active else "pending",
                list(dict.fromkeys(hearing)),
            )
        )
    return DryRun(shown, len(found), list(report.warnings))
