"""Create, change and delete named conditions, and check conditions that refer to them."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from rules.conditions import Condition, ConditionError
from rules.models import MaintenanceWindow, NamedCondition, Rule, RuleAction, validate_condition_id
from rules.named_conditions import PREFIX, compile_named, expand, names_in, users_of
from spaces import audit
from spaces.errors import FieldError, InUse, InvalidInput
from spaces.models import Space
from spaces.public_ids import generate_public_id
from spaces.services import bump_config_revision
from spaces.validation import Findings, check_storable, clean_name, distinct_id, reject

MAX_DESCRIPTION: Final = 2000
_MOST_TOLD: Final = 10


class ConditionChanges(TypedDict, total=False):
    """What may be changed."""

    name: str
    description: str
    condition: str


class User(NamedTuple):
    """What has a condition that may refer to named ones: its kind, its public id and the text."""

    kind: str
    public_id: str
    condition: str


def named_in(space_id: int) -> dict[str, str]:
    """Return the text of each named condition of a space by its ID."""
    return dict(NamedCondition.objects.filter(space=space_id).values_list("public_id", "condition"))


def expanded_in(space_id: int, text: str) -> str:
    """Return a condition of this space with the named ones put in; raise ConditionError where one is not there."""
    return expand(text, named_in(space_id)).text if names_in(text) else text


def compile_in(space_id: int, text: str) -> Condition:
    """Return a condition of this space, checked, with the named ones put in; raise ConditionError.

    In a transaction, those that it refers to can neither change nor go before the end.
    """
    return compile_named(text, _lock(space_id) if names_in(text) else {})


def clean_condition_in(space_id: int, text: str, pointer: str = "/condition") -> str:
    """Return a condition of this space as it is stored, "" where it is blank; raise InvalidInput with the place."""
    try:
        compile_in(space_id, text)
    except ConditionError as error:
        raise reject(pointer, f"line {error.line}, column {error.column}: {error.message}") from None
    return text if text.strip() else ""


def users(space_id: int) -> Iterator[User]:
    """Yield what of a space may refer to named conditions."""
    rules = Rule.objects.filter(space=space_id, condition__contains=PREFIX).order_by("public_id")
    for public_id, condition in rules.values_list("public_id", "condition"):
        yield User("rule", public_id, condition)
    links = RuleAction.objects.filter(rule__space=space_id, condition__contains=PREFIX)
    for public_id, condition in links.order_by("rule__public_id", "pk").values_list("rule__public_id", "condition"):
        yield User("rule", public_id, condition)
    windows = MaintenanceWindow.objects.filter(space=space_id, condition__contains=PREFIX).order_by("public_id")
    for public_id, condition in windows.values_list("public_id", "condition"):
        yield User("maintenance window", public_id, condition)


def create_condition(
    space: Space, *, name: str, condition: str, description: str = "", public_id: str | None = None
) -> NamedCondition:
    """Create a named condition; raise InvalidInput."""
    row, found = NamedCondition(space=space), Findings()
    with found.gather():
        row.public_id = _clean_id(public_id)
    with transaction.atomic():
        _apply(row, found, {"name": name, "description": description, "condition": condition}, _lock(space.pk))
        with distinct_id(space.conditions.all(), public_id=row.public_id):
            row.save(force_insert=True)
        bump_config_revision(space.pk)
        _record("condition.create", row, after=described(row))
    return row


def update_condition(stored: NamedCondition, **changes: Unpack[ConditionChanges]) -> NamedCondition:
    """Change a named condition and return it as it now is; raise InvalidInput, or DoesNotExist when it is gone.

    Refused as well where something that refers to it, at any depth, would not compile any more. Its ID never changes.
    """
    with transaction.atomic():
        named = _lock(stored.space_id)
        row = NamedCondition.objects.select_for_update().get(pk=stored.pk)
        before = described(row)
        _apply(row, Findings(), changes, named)
        if row.condition != before["condition"]:
            _check_users(row, named)
        row.version += 1
        row.updated_at = timezone.now()
        row.save()
        bump_config_revision(row.space_id)
        _record("condition.update", row, before=before, after=described(row))
    return row


def delete_condition(stored: NamedCondition) -> None:
    """Delete a named condition; raise InUse while others refer to it."""
    with transaction.atomic():
        named = _lock(stored.space_id)
        row = NamedCondition.objects.select_for_update().get(pk=stored.pk)
        if by := using(row, named):
            where = ", ".join(f'the {each.kind} "{each.public_id}"' for each in by)
            message = f'The condition "{row.public_id}" is in use. First take it out of these: {where}.'
            raise InUse(message, [(each.kind, each.public_id) for each in by])
        _record("condition.delete", row, before=described(row))
        row.delete()
        bump_config_revision(row.space_id)


def using(row: NamedCondition, named: dict[str, str] | None = None) -> list[User]:
    """Return what refers to this condition itself."""
    others = named_in(row.space_id) if named is None else named
    conditions = [User("condition", name, text) for name, text in sorted(others.items())]
    return [each for each in (*users(row.space_id), *conditions) if row.public_id in names_in(each.condition)]


def described(row: NamedCondition) -> dict[str, Any]:
    """Return the condition as the audit log and exports show it."""
    return {"id": row.public_id, "name": row.name, "description": row.description, "condition": row.condition}


def _lock(space_id: int) -> dict[str, str]:
    """Return the named conditions, so that none of them changes or goes before the transaction ends."""
    if not transaction.get_connection().in_atomic_block:
        return named_in(space_id)
    rows = NamedCondition.objects.select_for_update().filter(space=space_id).order_by("pk")
    return dict(rows.values_list("public_id", "condition"))


def _apply(row: NamedCondition, found: Findings, changes: ConditionChanges, named: dict[str, str]) -> None:
    if "name" in changes:
        with found.gather():
            row.name = clean_name(changes["name"])
    if "description" in changes:
        with found.gather():
            row.description = _clean_description(changes["description"])
    if "condition" in changes:
        with found.gather():
            row.condition = _clean_condition(changes["condition"], named, row.public_id)
    found.raise_any()


def _clean_id(value: str | None) -> str:
    if value is None:
        return generate_public_id("condition").replace("-", "_")
    try:
        validate_condition_id(value)
    except ValidationError as error:
        raise reject("/id", " ".join(error.messages)) from None
    return value


def _clean_description(text: str) -> str:
    if len(text) > MAX_DESCRIPTION:
        raise reject("/description", f"Use at most {MAX_DESCRIPTION:,} characters.")
    check_storable(text, "/description")
    return text.strip()


def _clean_condition(text: str, named: dict[str, str], own: str) -> str:
    if not text.strip():
        raise reject("/condition", "This must not be empty.")
    try:
        compile_named(text, named, own)
    except ConditionError as error:
        raise reject("/condition", f"line {error.line}, column {error.column}: {error.message}") from None
    return text


def _check_users(row: NamedCondition, named: dict[str, str]) -> None:
    """Refuse a change after which something that refers to the condition would not compile any more."""
    changed = {**named, row.public_id: row.condition}
    affected = users_of(row.public_id, changed)
    conditions = (User("condition", name, changed[name]) for name in sorted(affected - {row.public_id}))
    errors = []
    for kind, public_id, condition in (*conditions, *users(row.space_id)):
        if affected.isdisjoint(names_in(condition)):
            continue
        try:
            compile_named(condition, changed, public_id if kind == "condition" else "")
        except ConditionError as error:
            errors.append(FieldError("/condition", f'The {kind} "{public_id}" would not compile any more. {error}'))
        if len(errors) == _MOST_TOLD:
            break
    if errors:
        raise InvalidInput(errors)


def _record(
    what: str, row: NamedCondition, *, before: dict[str, Any] | None = None, after: dict[str, Any] | None = None
) -> None:
    audit.record(what, space=row.space_id, object_id=row.public_id, object_name=row.name, before=before, after=after)
