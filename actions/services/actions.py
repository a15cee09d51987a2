"""Create, change and delete actions."""

from typing import Any, Unpack

from django.db import transaction
from django.utils import timezone

from actions.models import Action
from actions.policy import MAX_ATTEMPTS
from actions.services.fallbacks import clean_fallback, lock_fallbacks
from actions.services.gone import remember_action
from actions.services.params import check_params, complete_params
from actions.services.policies import PolicyChanges, apply_policy, described_policy
from connectors.models import Connector
from spaces import audit
from spaces.errors import InUse
from spaces.models import Space
from spaces.services import bump_config_revision
from spaces.validation import Findings, clean_name, clean_number, clean_public_id, copied_name, distinct_id, reject

LONGEST_EXPIRY = 366 * 24 * 3600


class ActionChanges(PolicyChanges, total=False):
    """What may be changed. ``params`` replaces the whole; ``expires_after`` is in seconds, None for never."""

    connector: Connector
    name: str
    params: dict[str, Any]
    max_attempts: int
    expires_after: int | None
    fallback: Action | None
    enabled: bool


def create_action(
    space: Space,
    *,
    connector: Connector,
    name: str,
    public_id: str | None = None,
    params: dict[str, Any],
    max_attempts: int = 10,
    expires_after: int | None = None,
    fallback: Action | None = None,
    enabled: bool = True,
    **policy: Unpack[PolicyChanges],
) -> Action:
    """Create an action; raise InvalidInput."""
    row = Action(space=space)
    found = Findings()
    with found.gather():
        row.public_id = clean_public_id(public_id, "act")
    with transaction.atomic():
        _apply(
            row,
            found,
            {
                "connector": connector,
                "name": name,
                "params": params,
                "max_attempts": max_attempts,
                "expires_after": expires_after,
                "fallback": fallback,
                "enabled": enabled,
                **policy,
            },
        )
        with distinct_id(space.actions.all(), public_id=row.public_id):
            row.save(force_insert=True)
        bump_config_revision(space.pk)
        _record("action.create", row, after=described(row))
    return row


def update_action(action: Action, **changes: Unpack[ActionChanges]) -> Action:
    """Change an action and return it as it now is; raise InvalidInput, or Action.DoesNotExist when it is gone.

    Its id never changes. Changes made since ``action`` was read stay.
    """
    with transaction.atomic():
        row = Action.objects.select_for_update().get(pk=action.pk)
        before = described(row)
        _apply(row, Findings(), changes)
        row.version += 1
        row.updated_at = timezone.now()
        row.save()
        bump_config_revision(row.space_id)
        _record("action.update", row, before=before, after=described(row))
    return row


def duplicate_action(action: Action, *, name: str | None = None, public_id: str | None = None) -> Action:
    """Create an action like this one, which no rule triggers yet; raise InvalidInput."""
    if action.connector is None:
        raise reject("/connector", f'"{action.lost_connector_id}" was deleted: give the action another one first.')
    return create_action(
        action.space,
        connector=action.connector,
        name=name if name is not None else copied_name(action.name),
        public_id=public_id,
        params=action.params,
        max_attempts=action.max_attempts,
        expires_after=action.expires_after,
        fallback=action.fallback,
        enabled=action.enabled,
        **described_policy(action),
    )


def delete_action(action: Action) -> None:
    """Delete an action; raise InUse while rules trigger it, or while it is the fallback of other actions."""
    with transaction.atomic():
        row = Action.objects.select_for_update().get(pk=action.pk)
        lock_fallbacks(row.space_id)
        _refuse_used(row)
        _record("action.delete", row, before=described(row))
        remember_action(row)
        row.delete()
        bump_config_revision(row.space_id)


def described(row: Action) -> dict[str, Any]:
    """Return the action as the audit log and exports show it."""
    return {
        "id": row.public_id,
        "name": row.name,
        "connector": row.connector.public_id if row.connector else None,
        "params": row.params,
        "max_attempts": row.max_attempts,
        "expires_after": row.expires_after,
        **described_policy(row),
        "fallback": row.fallback.public_id if row.fallback else None,
        "enabled": row.enabled,
    }


def _record(
    what: str, row: Action, *, before: dict[str, Any] | None = None, after: dict[str, Any] | None = None
) -> None:
    audit.record(what, space=row.space_id, object_id=row.public_id, object_name=row.name, before=before, after=after)


def _apply(row: Action, found: Findings, changes: ActionChanges) -> None:
    """Put the changes on the row; raise InvalidInput with all that is wrong with them and all ``found`` before."""
    if "name" in changes:
        with found.gather():
            row.name = clean_name(changes["name"])
    if "max_attempts" in changes:
        with found.gather():
            row.max_attempts = clean_number(changes["max_attempts"], "/max_attempts", 1, MAX_ATTEMPTS)
    if "expires_after" in changes:
        with found.gather():
            row.expires_after = _clean_expiry(changes["expires_after"])
    apply_policy(row, found, changes)
    if "connector" in changes or "params" in changes:
        with found.gather():
            row.connector = connector = _lock_connector(row, changes.get("connector") or row.connector)
            row.lost_connector_id = ""
            row.params, _ = complete_params(connector, changes.get("params", row.params))
            check_params(connector, row.params)
    if "fallback" in changes:
        with found.gather():
            row.fallback = clean_fallback(row, changes["fallback"])
    row.enabled = changes.get("enabled", row.enabled)
    found.raise_any()


def _refuse_used(row: Action) -> None:
    rules = list(row.rules.order_by("public_id").values_list("public_id", flat=True))
    actions = list(row.stands_in_for.order_by("public_id").values_list("public_id", flat=True))
    steps = [f"take it out of these rules: {', '.join(rules)}"] if rules else []
    steps += [f"give these actions another fallback, or none: {', '.join(actions)}"] if actions else []
    if steps:
        raise InUse(
            f'The action "{row.public_id}" is in use. First {"; ".join(steps)}.',
            [*[("rule", rule) for rule in rules], *[("action", action) for action in actions]],
        )


def _clean_expiry(seconds: int | None) -> int | None:
    return None if seconds is None else clean_number(seconds, "/expires_after", 1, LONGEST_EXPIRY)


def _lock_connector(row: Action, connector: Connector | None) -> Connector:
    """Return the connector, so that it can neither change nor go before the action is stored."""
    if connector is None:
        raise reject("/connector", f'Choose a connector: "{row.lost_connector_id}" was deleted.')
    locked = Connector.objects.usable_in(row.space_id).select_for_update().filter(pk=connector.pk).first()
    if locked is None:
        raise reject("/connector", f'There is no connector "{connector.public_id}" in this space.')
    return locked
