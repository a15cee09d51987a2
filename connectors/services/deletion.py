"""Delete connectors, and say what uses them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from django.db import transaction

from connectors.models import Connector
from connectors.services.lifecycle import described, refuse_preconfigured
from connectors.signals import connector_deleted
from spaces import audit
from spaces.errors import InUse
from spaces.models import Space
from spaces.services import bump_config_revision
from spaces.services.bulk import apply_to_each
from spaces.validation import reject

MOST_NAMED: Final = 100  # users that a refusal lists


@dataclass(frozen=True, slots=True, order=True)
class Named:
    """Public id and name of an object."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class User:
    """An action that sends through a connector, and the rules that trigger it, or a source that reads through it."""

    kind: Literal["action", "source"]
    id: str
    name: str
    rules: tuple[Named, ...] = ()


def users_of(connector: Connector, space: Space | None = None) -> list[User]:
    """Return the actions and sources that use the connector, those of ``space`` only if it is given."""
    of_space = {} if space is None else {"space": space}
    actions = connector.actions.filter(**of_space).order_by("public_id")
    sources = connector.sources.filter(**of_space).order_by("public_id").values_list("public_id", "name")
    return [
        User(
            "action",
            action.public_id,
            action.name,
            tuple(sorted(Named(rule.public_id, rule.name) for rule in action.rules.all())),
        )
        for action in actions.prefetch_related("rules")
    ] + [User("source", public_id, name) for public_id, name in sources]


def is_used(connector: Connector) -> bool:
    """Whether anything uses the connector."""
    return connector.actions.exists() or connector.sources.exists()


def delete_connector(connector: Connector, *, force: bool = False, replace_with: Connector | None = None) -> None:
    """Delete a connector; raise InUse while actions or sources refer to it, ReadOnly for a preconfigured one.

    ``replace_with`` moves them, and what waits to be delivered, to another connector of the same type; InvalidInput
    says why it cannot. With ``force`` they stay without one: what waits ends dead as ``bad_config``, and so does what
    they are triggered for until they get another connector.
    """
    refuse_preconfigured(connector, "deleted")
    with transaction.atomic():
        row = Connector.objects.select_for_update().get(pk=connector.pk)
        replacement = _lock_replacement(row, replace_with) if replace_with is not None else None
        if replacement is None and not force:
            _refuse_used(row)
        # Tells the apps above before the row goes: they move or end what refers to it.
        connector_deleted.send(Connector, connector=row, replacement=replacement)
        audit.record(
            "connector.delete",
            space=row.space_id,
            object_id=row.public_id,
            object_name=row.name,
            before=described(row),
            after={"replaced_with": replacement.public_id} if replacement else None,
        )
        row.delete()
        bump_config_revision(row.space_id)


def delete_connectors(connectors: Iterable[Connector], *, force: bool = False) -> list[tuple[str, str]]:
    """Delete each on its own; return (public id, why it was refused or "") in the same order."""
    chosen = list(connectors)
    refusals = apply_to_each(chosen, lambda connector: delete_connector(connector, force=force))
    return [(connector.public_id, refusal) for connector, refusal in zip(chosen, refusals, strict=True)]


def _lock_replacement(row: Connector, chosen: Connector) -> Connector:
    found = Connector.objects.usable_in(row.space_id or 0).select_for_update().filter(pk=chosen.pk).first()
    if found is None or found.pk == row.pk:
        raise reject("/replace_with", f'"{chosen.public_id}" is not another connector of this space.')
    if found.type != row.type:
        raise reject(
            "/replace_with",
            f'"{found.public_id}" is of type "{found.type}", and what is sent through "{row.public_id}" is made for '
            f'"{row.type}".',
        )
    return found


def _refuse_used(row: Connector) -> None:
    users = users_of(row)
    if not users:
        return
    names = ", ".join(user.id for user in users[:10])
    more = f" and {len(users) - 10} more" if len(users) > 10 else ""
    rules = sorted({rule.id for user in users for rule in user.rules})
    raise InUse(
        f'The connector "{row.public_id}" is in use. First delete what uses it, or move it to another connector: '
        f"{names}{more}.",
        [*[(user.kind, user.id) for user in users], *[("rule", rule) for rule in rules]][:MOST_NAMED],
    )
