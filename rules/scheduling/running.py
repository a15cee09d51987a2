"""Runs one rule: looks, within a time limit, and stores all that came of it in one transaction, or nothing."""

import logging
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import connection, transaction

from actions.engine import log
from actions.engine.clock import database_time
from rules.alerts.cycle import Change
from rules.alerts.keeping import open_keys, take_in
from rules.alerts.telling import plan_telling
from rules.evaluation.failures import REPEATEDLY
from rules.history.records import RunRecord
from rules.models import Rule, RuleRun
from rules.scheduling.due import MOST_CLAIMS, POISON, Claimed, next_run, pause_after
from rules.scheduling.firing import fire
from rules.services.accept import accept_events
from rules.services.own_events import own_event
from rules.types.base import AnyScheduledRuleType, Finding, Recovery, Report, Run, RunFailed
from rules.types.registry import UnknownRuleType, get_scheduled_type, keeps_alerts
from spaces.errors import InvalidInput
from spaces.validation import check_storable

logger = logging.getLogger(__name__)

MANY_HUNG: Final = 20
RETRY: Final = timedelta(seconds=60)  # of a failed run whose rule has times of its own
_LONGEST_DETAIL: Final = 2000
_RECORDED: Final = ("number", "started_at", "ended_at", "duration", "outcome", "reason", "detail")
_looking: Final[dict[int, threading.Thread]] = {}  # by rule; those that hang stay


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run tells nothing: ``timeout``, ``failed`` (it cannot tell), ``error`` (a fault of this program) or
    ``poison`` (its workers were killed before they could tell).
    """

    reason: str
    detail: str


@dataclass(slots=True)
class Look:
    """What a look brings, once it has ended."""

    result: Report | Failure | None = None


def run_rule(claimed: Claimed) -> bool:
    """Run the rule; return whether what came of it was stored: not when the lease went to another meanwhile."""
    state = RuleRun.objects.select_related("rule").filter(pk=claimed.rule_id, lease_token=claimed.token).first()
    if state is None:
        return False
    started_at, began = database_time(), time.monotonic()
    number = state.number + 1
    result: Report | Failure
    if state.claims > MOST_CLAIMS:
        result = Failure(POISON, f"{state.claims - 1} times in a row the worker did not live to the end of the run.")
    else:
        result = _look(state.rule, number, state, started_at)
    return _settle(claimed, number, result, started_at, time.monotonic() - began)


def _look(rule: Rule, number: int, state: RuleRun, now: Any) -> Report | Failure:
    """Let the type look in a thread of its own, which is left to itself when it takes too long."""
    former = _looking.get(rule.pk)
    if former is not None and former.is_alive():
        return Failure("timeout", "The run before has not ended yet.")
    try:
        rule_type = get_scheduled_type(rule.type)
        params = rule_type.params_model.model_validate(rule.params)
    except (UnknownRuleType, ValueError) as error:
        # It was checked when it was saved: only a changed installation can bring this about.
        return Failure("failed", str(error))
    memory = state.memory if isinstance(state.memory, dict) else {}
    run = Run(rule.pk, rule.space_id, now, number, rule.interval or 0, memory, open_keys(rule.pk), rule.epoch)
    look = Look()
    thread = threading.Thread(
        target=look_into, args=(look, rule_type, params, run), name=f"rule {rule.public_id}", daemon=True
    )
    _looking[rule.pk] = thread
    thread.start()
    thread.join(rule_type.time_limit)
    if look.result is None and thread.is_alive():
        _note_hung()
        return Failure("timeout", f"It did not end within {rule_type.time_limit:g} s.")
    _looking.pop(rule.pk, None)
    return look.result or Failure("error", "It ended without a word.")


def hung() -> int:
    """Return how many looks are under way in this process, those that were given up among them."""
    return sum(thread.is_alive() for thread in list(_looking.values()))


def _note_hung() -> None:
    count = hung()
    level = logging.ERROR if count >= MANY_HUNG else logging.WARNING
    logger.log(level, "A run of a rule does not end; %d are under way in this worker.", count)


def look_into(look: Look, rule_type: AnyScheduledRuleType, params: Any, run: Run) -> None:
    """Let the type look, for a thread of its own: what it finds, or how it fails, is put into ``look``."""
    try:
        look.result = _checked(rule_type, rule_type.run(params, run))
    except RunFailed as error:
        look.result = Failure("failed", str(error))
    except Exception as error:
        logger.exception("The run of rule %d failed.", run.rule_id)
        look.result = Failure("error", f"{type(error).__name__}: {error}")
    finally:
        connection.close()


def _checked(rule_type: AnyScheduledRuleType, report: Report) -> Report:
    """Return the report, if it can be stored and names groups that the type has."""
    for finding in report.findings:
        if finding.group not in rule_type.action_groups:
            raise RuntimeError(f'The type {rule_type.id} has no group "{finding.group}".')
    both: tuple[Finding | Recovery, ...] = (*report.findings, *report.recovered)
    said = [[each.key, each.value, each.summary] for each in both]
    try:
        check_storable([said, dict(report.memory or {})], "")
    except InvalidInput as error:
        raise RunFailed(f"What was found cannot be stored: {error}") from None
    return report


def _settle(claimed: Claimed, number: int, result: Report | Failure, started_at: Any, took: float) -> bool:
    with transaction.atomic():
        state = (
            RuleRun.objects.select_for_update(of=("self",))
            .select_related("rule")
            .filter(pk=claimed.rule_id, lease_token=claimed.token)
            .first()
        )
        if state is None:
            logger.info("What run %d of rule %d found is not stored: another has its lease.", number, claimed.rule_id)
            return False
        rule, now = state.rule, database_time()
        state.number, state.started_at, state.ended_at = number, started_at, now
        state.duration = int(took * 1000)
        state.lease_token = state.lease_until = None
        if rule.interval is not None:
            state.next_at = next_run(rule.pk, rule.interval, now)
        state.claims = 0
        if isinstance(result, Failure):
            _note_failure(state, result, now)
            if result.reason != POISON and not keeps_alerts(rule.type):
                state.next_at = now + RETRY
        else:
            _note_report(state, result, number, now)
        state.save()
    return True


def _note_report(state: RuleRun, report: Report, number: int, now: Any) -> None:
    rule = state.rule
    fire(rule, report.firings, now)
    if report.next_at is not None:
        state.next_at = report.next_at
    outcome = take_in(rule, number, report, now)
    telling = plan_telling(rule, outcome.changed, now)
    outcome.write()
    telling.send()
    warnings = [*report.warnings, *outcome.warnings, *telling.warnings]
    state.outcome = RuleRun.Outcome.WARNING if warnings else RuleRun.Outcome.SUCCEEDED
    state.reason, state.detail, state.failures = "", " ".join(warnings)[:_LONGEST_DETAIL], 0
    if report.memory is not None:
        state.memory = dict(report.memory)
    counts = {
        "found": len(report.findings) + len(report.firings),
        "opened": outcome.count(Change.OPENED),
        "active": len(outcome.changed) - outcome.count(Change.RECOVERED),
        "recovered": outcome.count(Change.RECOVERED),
    }
    said = f"{counts['found']} found, {counts['opened']} opened, {counts['recovered']} recovered."
    _log(state, "success", " ".join([said, state.detail]).strip(), counts)


def _note_failure(state: RuleRun, failure: Failure, now: Any) -> None:
    rule = state.rule
    begins_to_kill = failure.reason == POISON != state.reason
    state.outcome, state.reason = RuleRun.Outcome.FAILED, failure.reason
    state.detail = failure.detail[:_LONGEST_DETAIL]
    state.failures += 1
    _log(state, "failure", f"{failure.reason}: {state.detail}", {})
    if failure.reason == POISON:
        state.next_at = pause_after(state.failures, now)
        state.claims = MOST_CLAIMS - 1  # one more try
    if begins_to_kill or (state.failures == REPEATEDLY and failure.reason != POISON):
        event = own_event(
            "switchyard.rule.failed",
            subject=f"rules/{rule.public_id}",
            time=state.ended_at or state.started_at or database_time(),
            data={
                "rule": {"id": rule.public_id, "name": rule.name},
                "part": "run",
                "action": None,
                "detail": state.detail,
                "count": state.failures,
                "events": [],
            },
        )
        accept_events(rule.space_id, [event])


def _log(state: RuleRun, outcome: str, message: str, counts: dict[str, int]) -> None:
    entry = log.row(
        space_id=state.rule.space_id,
        provider="rules",
        action="run",
        outcome=outcome,
        duration=state.duration / 1000,
        message=message,
        rule_id=state.rule.public_id,
        response=counts,
    )
    log.append([entry])
    RunRecord.objects.create(
        space_id=state.rule.space_id,
        rule=state.rule,
        **{name: getattr(state, name) for name in _RECORDED},
        **counts,
    )
