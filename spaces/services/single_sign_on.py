"""Let somebody in whom an OpenID provider vouches for, in the groups that it names.

Users are known by issuer and subject, which never change and are never given to somebody else. Names and addresses
are: a link by those would hand the user of one person to the next who gets the name there, or claims the address.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from spaces import audit
from spaces.models import Identity


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in, as the provider's claims say; ``groups`` are the provider's."""

    issuer: str
    subject: str
    username: str
    groups: frozenset[str]
    email: str = ""
    first_name: str = ""
    last_name: str = ""


@dataclass(frozen=True, slots=True)
class SignInRules:
    """What the provider's groups give here: ``groups`` are pairs of (theirs, ours), ``superusers`` are theirs."""

    groups: Sequence[tuple[str, str]]
    superusers: Sequence[str]

    @property
    def managed(self) -> frozenset[str]:
        """Our groups that users enter and leave as they sign in."""
        return frozenset(ours for _, ours in self.groups)

    def groups_of(self, person: Person) -> frozenset[str]:
        """Return our groups that the person belongs to."""
        return frozenset(ours for theirs, ours in self.groups if theirs in person.groups)

    def is_superuser(self, person: Person) -> bool:
        """Whether the person may do everything."""
        return not person.groups.isdisjoint(self.superusers)


class SignInRefused(Exception):
    """The person may not come in; the text tells them why."""


def sign_in(person: Person, rules: SignInRules) -> User:
    """Return the person's user, made at the first time and brought into the groups of the moment.

    Raises SignInRefused. Somebody who lost all groups loses here what they gave before being refused.
    """
    try:
        user = _bring_up_to_date(person, rules)
    except IntegrityError:
        # The same person, or another of that name, came in first at this moment: the second look finds them.
        user = _bring_up_to_date(person, rules)
    if not user.is_active:
        raise SignInRefused(f'The user "{user.username}" is switched off here.')
    if not user.is_staff:
        raise _no_group()
    return user


def _bring_up_to_date(person: Person, rules: SignInRules) -> User:
    username = User.normalize_username(person.username)
    with transaction.atomic():
        # Looked up before the person: whoever has the name by then may be the person, come in at this moment.
        is_taken = User.objects.filter(username__iexact=username).exists()
        known = User.objects.select_for_update(of=("self",))
        user = known.filter(identities__issuer=person.issuer, identities__subject=person.subject).first()
        if user is None:
            if not rules.groups_of(person) and not rules.is_superuser(person):
                raise _no_group()
            if is_taken:
                raise _name_taken(username)
            user = _create(person, username)
        _synchronise(user, person, rules)
    return user


def _create(person: Person, username: str) -> User:
    user = User(username=username)
    user.set_unusable_password()
    try:
        user.clean_fields()
    except ValidationError as error:
        reasons = " ".join(error.messages)
        raise SignInRefused(f'The user name "{username}" cannot be used here: {reasons}') from None
    user.save()
    Identity.objects.create(user=user, issuer=person.issuer, subject=person.subject)
    after = {"issuer": person.issuer, "subject": person.subject}
    audit.record("user.create", space=None, object_id=str(user.pk), object_name=username, after=after)
    return user


def _synchronise(user: User, person: Person, rules: SignInRules) -> None:
    """Write names, flags and the managed groups of a locked user; what changes who may do what is recorded."""
    ours = rules.groups_of(person)
    before = _described(user)
    user.is_superuser = rules.is_superuser(person)
    user.is_staff = user.is_superuser or bool(ours)
    user.email, user.first_name, user.last_name = person.email, person.first_name, person.last_name
    user.save(update_fields=["is_superuser", "is_staff", "email", "first_name", "last_name"])
    user.groups.remove(*user.groups.filter(name__in=rules.managed - ours))
    user.groups.add(*(Group.objects.get_or_create(name=name)[0] for name in sorted(ours)))
    after = _described(user)
    if before != after:
        name = user.username
        audit.record("user.update", space=None, object_id=str(user.pk), object_name=name, before=before, after=after)


def _described(user: User) -> dict[str, object]:
    groups = user.groups.order_by("name").values_list("name", flat=True)
    return {"groups": list(groups), "is_superuser": user.is_superuser, "is_staff": user.is_staff}


def _no_group() -> SignInRefused:
    return SignInRefused("You are in none of the groups that may sign in here. An administrator can tell you which.")


def _name_taken(username: str) -> SignInRefused:
    return SignInRefused(
        f'There is another user "{username}" here. It is not taken over: an administrator has to rename it.'
    )
