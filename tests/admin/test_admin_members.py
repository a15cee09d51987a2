"""Members of a space in the console."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from spaces.models import AuditEntry, Membership, Space

pytestmark = pytest.mark.django_db

LIST = "admin:spaces_membership_changelist"


def add(console: Client, space: Space, **fields: object) -> list[str]:
    given = {"space": str(space.pk), "user": "", "group": "", "role": "viewer", **fields}
    answer = console.post(reverse("admin:spaces_membership_add"), given)
    return [] if answer.status_code == 302 else [str(each) for each in answer.context["errors"]]


def test_a_user_or_a_group_gets_a_role_once(console: Client, space: Space) -> None:
    ada, ops = User.objects.create_user("ada"), Group.objects.create(name="ops")
    assert add(console, space, user=ada.pk) == []
    assert add(console, space, group=ops.pk, role="operator") == []
    assert add(console, space, user=ada.pk, role="admin") != []
    assert add(console, space) != []
    assert add(console, space, user=ada.pk, group=ops.pk) != []
    assert sorted(Membership.objects.values_list("role", flat=True)) == ["operator", "viewer"]
    shown = console.get(reverse(LIST)).content.decode()
    assert "ada" in shown
    assert "ops (group)" in shown


def test_a_role_is_changed_and_taken_away_and_both_are_audited(console: Client, space: Space) -> None:
    add(console, space, user=User.objects.create_user("ada").pk)
    row = Membership.objects.get()
    console.post(reverse("admin:spaces_membership_change", args=[row.pk]), {"role": "editor"})
    row.refresh_from_db()
    assert row.role == "editor"
    console.post(reverse("admin:spaces_membership_delete", args=[row.pk]), {"post": "yes"})
    assert not Membership.objects.exists()
    actions = AuditEntry.objects.filter(action__startswith="member.").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["member.create", "member.update", "member.delete"]
