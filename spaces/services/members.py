"""Say who is what in a space."""

from django.contrib.auth.models import Group, User
from django.db import transaction

from spaces import audit
from spaces.models import Membership, Space
from spaces.roles import MEMBER_ROLES
from spaces.validation import reject


def add_member(space: Space, who: User | Group, role: str) -> Membership:
    """Give a user, or everybody in a group, a role; raise InvalidInput when they have one already."""
    _check_role(role)
    named = {"user": who} if isinstance(who, User) else {"group": who}
    with transaction.atomic():
        row, is_new = Membership.objects.get_or_create(space=space, **named, defaults={"role": role})
        if not is_new:
            raise reject("", f"{_name(row)} is a member already, as {row.role}.")
        _record("member.create", row, after={"role": role})
    return row


def change_member(member: Membership, role: str) -> Membership:
    """Give a member another role; raise InvalidInput, or Membership.DoesNotExist when it is gone."""
    _check_role(role)
    with transaction.atomic():
        row = Membership.objects.select_for_update().get(pk=member.pk)
        before, row.role = row.role, role
        row.version += 1
        row.save(update_fields=["role", "version"])
        _record("member.update", row, before={"role": before}, after={"role": role})
    return row


def remove_member(member: Membership) -> None:
    """Take a role away."""
    with transaction.atomic():
        row = Membership.objects.select_for_update().get(pk=member.pk)
        _record("member.delete", row, before={"role": row.role})
        row.delete()


def _check_role(role: str) -> None:
    if role not in MEMBER_ROLES:
        raise reject("/role", f"Use one of {', '.join(MEMBER_ROLES)}.")


def _name(row: Membership) -> str:
    return f"The user {row.user.username}" if row.user else f"The group {row.group}"


def _record(
    action: str, row: Membership, *, before: dict[str, str] | None = None, after: dict[str, str] | None = None
) -> None:
    name = _name(row)
    audit.record(action, space=row.space_id, object_id=str(row.pk), object_name=name, before=before, after=after)
