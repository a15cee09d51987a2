"""What a user or an API key may do in which space."""

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q, QuerySet

from spaces.models import ApiKey, Membership, Space
from spaces.roles import ABILITIES, EVERYTHING, NOTHING, Ability, Role, abilities_of

# Whoever acts: a key, or a user who may not be signed in.
Caller = ApiKey | User | AnonymousUser


def visible_spaces(caller: Caller) -> QuerySet[Space]:
    """Return the spaces that the caller may know of: a key its own, a superuser all, a user those it is a member of."""
    if isinstance(caller, ApiKey):
        return Space.objects.filter(pk=caller.space_id)
    if not isinstance(caller, User) or not caller.is_active:
        return Space.objects.none()
    if caller.is_superuser:
        return Space.objects.all()
    return Space.objects.filter(pk__in=_memberships(caller).values("space"))


def abilities_in(space: Space, caller: Caller) -> frozenset[Ability]:
    """Return what the caller may do in the space."""
    if isinstance(caller, ApiKey):
        return ABILITIES[Role(caller.role)] if caller.space_id == space.pk else NOTHING
    if not isinstance(caller, User) or not caller.is_active:
        return NOTHING
    if caller.is_superuser:
        return EVERYTHING
    return abilities_of(_memberships(caller).filter(space=space).values_list("role", flat=True))


def spaces_where(caller: Caller, ability: Ability) -> QuerySet[Space]:
    """Return the spaces in which the caller may do this."""
    spaces = visible_spaces(caller)
    if isinstance(caller, ApiKey):
        return spaces if ability in ABILITIES[Role(caller.role)] else spaces.none()
    if isinstance(caller, User) and not caller.is_superuser:
        roles = [role for role in Role if ability in ABILITIES[role]]
        return spaces.filter(pk__in=_memberships(caller).filter(role__in=roles).values("space"))
    return spaces


def _memberships(user: User) -> QuerySet[Membership]:
    return Membership.objects.order_by().filter(Q(user=user) | Q(group__in=user.groups.values("pk")))
