"""Copy rules."""

from dataclasses import fields

from rules.links import Link
from rules.models import Rule, RuleAction
from rules.services.rules import create_rule
from rules.services.schedules import SCHEDULED
from spaces.validation import copied_name


def duplicate_rule(rule: Rule, *, name: str | None = None, public_id: str | None = None) -> Rule:
    """Create a rule like this one that is disabled, so that nothing is told twice; raise InvalidInput.

    Whether it is muted or snoozed is not copied.
    """
    return create_rule(
        rule.space,
        type=rule.type,
        name=name if name is not None else copied_name(rule.name),
        public_id=public_id,
        params=rule.params,
        condition=rule.condition,
        tags=rule.tags,
        enabled=False,
        actions=[_link(stored) for stored in rule.links.select_related("action")],
        **{each: getattr(rule, each) for each in SCHEDULED},
    )


def _link(stored: RuleAction) -> Link:
    return Link(**{field.name: getattr(stored, field.name) for field in fields(Link)})
