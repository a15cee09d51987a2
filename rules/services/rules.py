"""Create, change and delete rules."""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

from actions.engine.clock import database_time
from actions.models import Action
from rules.alerts.keeping import untrack
from rules.history.records import RuleTrouble
from rules.links import SAID, Link, clean_links, link_of, read, shown
from rules.models import Frequency, Rule, RuleAction, RuleRun
from rules.services.conditions import clean_condition_in
from rules.services.schedules import SCHEDULED, clean_schedule, follow_rule, what_it_looks_at
from rules.silences.stored import clean_snoozes
from rules.types.base import ParamError, Params
from rules.types.registry import UnknownRuleType, all_types, get_type
from spaces import audit
from spaces.errors import FieldError, InvalidInput
from spaces.models import Space
from spaces.services import bump_config_revision
from spaces.validation import (
    Findings,
    check_storable,
    clean_name,
    clean_public_id,
    clean_tags,
    distinct_id,
    extend,
    parse_model,
    reject,
)


class RuleChanges(TypedDict, total=False):
    """What may be changed; ``params``, ``tags`` and ``actions`` each replace the whole.

    ``interval``, ``delay`` and what flapping means are of rules that run by themselves; without an interval they have
    that of the type.
    """

    name: str
    params: dict[str, Any]
    condition: str
    tags: Iterable[str]
    enabled: bool
    actions: Iterable[Action | Link]
    interval: int | None
    delay: int
    flapping_look_back: int
    flapping_threshold: int
    muted: bool
    snoozes: Iterable[dict[str, Any]]


def create_rule(
    space: Space,
    *,
    type: str = "event",  # noqa: A002  the field's own name
    name: str,
    public_id: str | None = None,
    params: dict[str, Any],
    condition: str = "",
    tags: Iterable[str] = (),
    enabled: bool = True,
    actions: Iterable[Action | Link] = (),
    interval: int | None = None,
    delay: int = 1,
    flapping_look_back: int = 20,
    flapping_threshold: int = 4,
    muted: bool = False,
    snoozes: Iterable[dict[str, Any]] = (),
) -> Rule:
    """Create a rule; raise InvalidInput."""
    row = Rule(space=space, type=type)
    found = Findings()
    with found.gather():
        row.public_id = clean_public_id(public_id, "rule")
    with transaction.atomic():
        triggered = _apply(
            row,
            found,
            {
                "name": name,
                "params": params,
                "condition": condition,
                "tags": tags,
                "enabled": enabled,
                "actions": actions,
                "interval": interval,
                "delay": delay,
                "flapping_look_back": flapping_look_back,
                "flapping_threshold": flapping_threshold,
                "muted": muted,
                "snoozes": snoozes,
            },
        )
        with distinct_id(space.rules.all(), public_id=row.public_id):
            row.save(force_insert=True)
        _link(row, triggered)
        follow_rule(row)
        bump_config_revision(space.pk)
        _record("rule.create", row, after=described(row))
    return row


def update_rule(rule: Rule, **changes: Unpack[RuleChanges]) -> Rule:
    """Change a rule and return it as it now is; raise InvalidInput, or Rule.DoesNotExist when it is gone.

    Its id and type never change. Changes made since ``rule`` was read stay.
    """
    with transaction.atomic():
        # Not its key: a run that holds its own row adds alerts of the rule, and must not wait for this.
        row = Rule.objects.select_for_update(no_key=True).get(pk=rule.pk)
        before, former, interval = described(row), what_it_looks_at(row), row.interval
        triggered = _apply(row, Findings(), changes)
        row.version += 1
        row.updated_at = timezone.now()
        row.save()
        if "actions" in changes:
            _relink(row, triggered)
        anew = what_it_looks_at(row) != former
        if anew or row.interval != interval:
            follow_rule(row, anew=anew)
        RuleTrouble.objects.filter(rule=row).delete()
        bump_config_revision(row.space_id)
        _record("rule.update", row, before=before, after=described(row))
    return row


def delete_rule(rule: Rule) -> None:
    """Delete a rule; its actions stay, and what it has triggered is still delivered."""
    with transaction.atomic():
        row = Rule.objects.select_for_update().get(pk=rule.pk)
        _record("rule.delete", row, before=described(row))
        untrack(row, database_time())
        row.delete()
        bump_config_revision(row.space_id)


@dataclass(frozen=True, slots=True)
class Draft:
    """A rule that passes every check of saving, and is not saved; and its links to actions."""

    rule: Rule
    links: list[Link]


def draft_rule(
    space: Space,
    stored: Rule | None = None,
    *,
    type: str = "event",  # noqa: A002  the field's own name
    **changes: Unpack[RuleChanges],
) -> Draft:
    """Return a new rule, or ``stored`` with changes, unsaved; raise InvalidInput for what could not be saved."""
    if stored is None:
        row = Rule(space=space, type=type, public_id="draft", name="Draft")
        changes = {"params": {}, "condition": "", "interval": None, **changes}
    else:
        row = copy(stored)
    with transaction.atomic():
        links = _apply(row, Findings(), changes)
    if stored is not None and "actions" not in changes:
        links = [read(each) for each in stored.links.select_related("action")]
    return Draft(row, links)


def described(row: Rule) -> dict[str, Any]:
    """Return the rule as the audit log and exports show it."""
    return {
        "id": row.public_id,
        "name": row.name,
        "rule_type_id": row.type,
        "params": row.params,
        "condition": row.condition,
        "tags": row.tags,
        "enabled": row.enabled,
        "mute_all": row.muted,
        "snooze_schedule": row.snoozes,
        "actions": [shown(link) for link in row.links.all()],
        **({name: getattr(row, name) for name in SCHEDULED} if row.interval is not None else {}),
    }


def _record(what: str, row: Rule, *, before: dict[str, Any] | None = None, after: dict[str, Any] | None = None) -> None:
    audit.record(what, space=row.space_id, object_id=row.public_id, object_name=row.name, before=before, after=after)


def _apply(row: Rule, found: Findings, changes: RuleChanges) -> list[Link]:
    """Put the changes on the row and return the links to actions among them.

    Raises InvalidInput with all that is wrong with them and all ``found`` before.
    """
    links: list[Link] = []
    if "name" in changes:
        with found.gather():
            row.name = clean_name(changes["name"])
    if "params" in changes:
        with found.gather():
            row.params = _clean_params(row, changes["params"])
    if "condition" in changes:
        with found.gather():
            row.condition = _clean_condition(row.space_id, row.type, changes["condition"])
    if "tags" in changes:
        with found.gather():
            row.tags = clean_tags(changes["tags"])
    if "actions" in changes:
        with found.gather():
            links = _lock_actions(row, [link_of(each) for each in changes["actions"]])
    if "snoozes" in changes:
        with found.gather():
            row.snoozes = clean_snoozes(changes["snoozes"], "/snooze_schedule")
    row.muted = changes.get("muted", row.muted)
    clean_schedule(row, found, {name: changes[name] for name in SCHEDULED if name in changes})
    row.enabled = changes.get("enabled", row.enabled)
    found.raise_any()
    return links


def _link(row: Rule, links: Iterable[Link]) -> None:
    RuleAction.objects.bulk_create(
        RuleAction(rule=row, action=each.action, **{name: getattr(each, name) for name in SAID}) for each in links
    )


def _relink(row: Rule, links: list[Link]) -> None:
    """Replace the links, where any is another. What a summary has gathered stays with its action."""
    # A run that is about to be stored reads them while it holds this row.
    RuleRun.objects.select_for_update().filter(rule=row).first()
    if [read(each) for each in row.links.order_by("pk").select_related("action")] == links:
        return
    row.links.all().delete()
    _link(row, links)
    summarised = [each.action.pk for each in links if each.frequency == Frequency.SUMMARY]
    row.summaries.exclude(action__in=summarised).delete()


def _clean_params(row: Rule, params: dict[str, Any]) -> dict[str, Any]:
    try:
        rule_type = get_type(row.type)
    except UnknownRuleType as error:
        raise reject("/type", str(error)) from None
    check_storable(params, "/params")
    parsed: Params = parse_model(rule_type.params_model, params, "/params")
    faulty = [*rule_type.check(parsed), *_beyond_retention(rule_type.look_back(parsed), row.space.retention_days)]
    if faulty:
        raise InvalidInput([FieldError(f"/params{each.pointer}", each.detail) for each in faulty])
    return parsed.model_dump(mode="json")


def _beyond_retention(look_back: tuple[str, int] | None, days: int | None) -> Iterable[ParamError]:
    if look_back is not None and days and look_back[1] > days * 24 * 3600:
        yield ParamError(look_back[0], f"The space keeps events for {days} days: use at most {days * 24 * 3600}.")


def _clean_condition(space_id: int, type_id: str, text: str) -> str:
    rule_type = all_types().get(type_id)
    if text.strip() and rule_type is not None and not rule_type.takes_condition:
        raise reject("/condition", f"Rules of the type {type_id} take no condition: leave it empty.")
    return clean_condition_in(space_id, text)


def _lock_actions(row: Rule, links: list[Link]) -> list[Link]:
    """Return the links, so that none of their actions can go before the rule is stored."""
    present = set(
        Action.objects.select_for_update()
        .filter(pk__in=[link.action.pk for link in links], space=row.space_id)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    errors = [
        FieldError(extend("/actions", position), f'There is no action "{link.action.public_id}" in this space.')
        for position, link in enumerate(links)
        if link.action.pk not in present
    ]
    wanted = [link.place for link in links]
    errors += [
        FieldError(
            extend("/actions", position),
            f'The action "{link.action.public_id}" is listed twice{" for one group" if link.group else ""}.',
        )
        for position, link in enumerate(links)
        if wanted[position] in wanted[:position]
    ]
    found = Findings()
    with found.gather():
        if errors:
            raise InvalidInput(errors)
    if row.type in all_types():
        with found.gather():
            links = clean_links(links, get_type(row.type), partial(clean_condition_in, row.space_id))
    found.raise_any()
    return links
