"""Rules that run by themselves, run by hand inside a test."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import F

from actions.models import Action
from rules.models import Alert, Rule, RuleRun
from rules.scheduling.due import Claimed, claim_due
from rules.scheduling.running import run_rule
from spaces.models import Space
from tests.factories import make_action, make_connector, make_rule
from tests.receiver import Receiver
from tests.rules.running import run

HOUR = 3600


def make_scheduled(space: Space, *, type_: str = "sample", interval: int = 60, **rest: Any) -> Rule:
    return make_rule(space, type=type_, interval=interval, **rest)


def make_hearer(space: Space, to: Receiver, name: str = "hearer", **template: Any) -> Action:
    """Make an action that sends what the alert is."""
    body = template or {"key": "{{ alert.key }}", "group": "{{ alert.group }}", "change": "{{ alert.change }}"}
    return make_action(make_connector(space, url=to.url), name=name, params={"body": {"by": name, **body}})


def make_due(rule: Rule, seconds: int = 1) -> None:
    """Have the rule due for so long."""
    RuleRun.objects.filter(rule=rule).update(next_at=_ago(seconds))


def pass_time(rule: Rule, seconds: int) -> None:
    """Let the lease of the rule, and its next run, come nearer by so many seconds."""
    shift = timedelta(seconds=seconds)
    RuleRun.objects.filter(rule=rule).update(next_at=F("next_at") - shift)
    RuleRun.objects.filter(rule=rule, lease_until__isnull=False).update(lease_until=F("lease_until") - shift)


def claim(rule: Rule) -> Claimed:
    """Have the rule due, and claim it."""
    # Long ago: within a test's transaction the clock of PostgreSQL stands still.
    make_due(rule, HOUR)
    (claimed,) = [each for each in claim_due(100) if each.rule_id == rule.pk]
    return claimed


def run_now(rule: Rule) -> RuleRun:
    """Run the rule, and deliver what it tells; return how it went."""
    assert run_rule(claim(rule))
    run()
    return RuleRun.objects.get(rule=rule)


def alerts(rule: Rule) -> list[tuple[str, str, str]]:
    return list(Alert.objects.filter(rule=rule).order_by("id").values_list("key", "group", "state"))


def bodies(to: Receiver) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in to.requests]


def _ago(seconds: int) -> Any:
    return datetime.now(UTC) - timedelta(seconds=seconds)
