"""Whoever a provider vouches for has one user here, with the groups of the moment; nobody else's user is touched."""

import threading
from dataclasses import replace

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection

from spaces.access import abilities_in
from spaces.models import AuditEntry, Identity
from spaces.roles import ABILITIES, Role
from spaces.services import Person, SignInRefused, SignInRules, add_member, sign_in
from tests.factories import make_space

RULES = SignInRules(
    groups=[("ops-team", "Operators"), ("night-shift", "Operators"), ("viewers", "Viewers")], superusers=["root-team"]
)
ADA = Person("https://id.example", "1", "ada", frozenset({"ops-team"}))

pytestmark = pytest.mark.django_db


def groups_of(user: User) -> set[str]:
    return set(user.groups.values_list("name", flat=True))


def test_a_group_brings_its_roles_in_spaces() -> None:
    space = make_space()
    group = Group.objects.create(name="Operators")
    add_member(space, group, Role.OPERATOR)
    user = sign_in(ADA, RULES)
    assert abilities_in(space, user) == ABILITIES[Role.OPERATOR]
    assert not abilities_in(make_space(), user)


def test_one_of_two_groups_of_the_same_name_here_is_enough() -> None:
    user = sign_in(replace(ADA, groups=frozenset({"ops-team", "night-shift"})), RULES)
    assert sign_in(replace(ADA, groups=frozenset({"night-shift"})), RULES) == user
    assert groups_of(user) == {"Operators"}


def test_a_superuser_is_one_by_the_named_groups_alone() -> None:
    user = sign_in(replace(ADA, groups=frozenset({"root-team"})), RULES)
    assert (user.is_superuser, user.is_staff, groups_of(user)) == (True, True, set())
    assert not sign_in(ADA, RULES).is_superuser
    User.objects.filter(pk=user.pk).update(is_superuser=True)
    assert not sign_in(ADA, RULES).is_superuser


def test_a_sign_in_that_changes_nothing_is_not_recorded_as_a_change() -> None:
    sign_in(ADA, RULES)
    before = AuditEntry.objects.count()
    sign_in(replace(ADA, email="ada@example.com"), RULES)
    assert AuditEntry.objects.count() == before


def test_the_subject_of_another_issuer_is_somebody_else() -> None:
    sign_in(ADA, RULES)
    with pytest.raises(SignInRefused, match='another user "ada"'):
        sign_in(replace(ADA, issuer="https://other.example"), RULES)
    user = sign_in(replace(ADA, issuer="https://other.example", username="ada2"), RULES)
    assert user.username == "ada2"


def test_a_user_who_is_switched_off_stays_so() -> None:
    user = sign_in(ADA, RULES)
    User.objects.filter(pk=user.pk).update(is_active=False)
    with pytest.raises(SignInRefused, match="switched off"):
        sign_in(ADA, RULES)
    assert not User.objects.get(pk=user.pk).is_active


def test_a_refusal_leaves_the_local_user_of_that_name_alone() -> None:
    local = User.objects.create_superuser("Ada", "", "password")
    with pytest.raises(SignInRefused):
        sign_in(ADA, RULES)
    local.refresh_from_db()
    assert (local.is_superuser, local.check_password("password"), groups_of(local)) == (True, True, set())
    assert not Identity.objects.exists()


def test_a_user_who_is_deleted_takes_the_link_along() -> None:
    sign_in(ADA, RULES).delete()
    assert not Identity.objects.exists()
    assert sign_in(ADA, RULES).username == "ada"


@pytest.mark.django_db(transaction=True)
def test_first_sign_ins_at_the_same_moment_make_one_user() -> None:
    together, made = threading.Barrier(4), list[int]()

    def run() -> None:
        together.wait()
        try:
            made.append(sign_in(ADA, RULES).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(set(made)) == 1
    assert User.objects.count() == 1
    assert groups_of(User.objects.get()) == {"Operators"}
