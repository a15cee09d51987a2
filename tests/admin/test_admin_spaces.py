"""Spaces and API keys in the console."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from spaces.models import ApiKey, Space
from spaces.services import authenticate_key, create_api_key
from tests.admin.conftest import HOSTILE, make_member

KEYS = "admin:spaces_apikey_changelist"


def make_key(console: Client, space: Space, **fields: str) -> str:
    """Create a key by the form, and return the page that follows."""
    given = {
        "space": str(space.pk),
        "name": "For tests",
        "role": "editor",
        "expires_at_0": "",
        "expires_at_1": "",
        **fields,
    }
    answer = console.post(reverse("admin:spaces_apikey_add"), given, follow=True)
    assert answer.redirect_chain
    return answer.content.decode()


def test_a_key_is_shown_once_and_opens_its_space(console: Client, space: Space) -> None:
    shown = make_key(console, space)
    token = shown.split('sy-key">')[1].split("<")[0]
    assert authenticate_key(token).space == space
    key = ApiKey.objects.get()
    later = [reverse(KEYS), reverse("admin:spaces_apikey_change", args=[key.pk])]
    for page in later:
        text = console.get(page).content.decode()
        assert token not in text
        assert key.digest not in text
        assert key.prefix in text


def test_a_key_may_expire(console: Client, space: Space) -> None:
    make_key(console, space, expires_at_0="2030-01-02", expires_at_1="03:04:05")
    assert ApiKey.objects.get().expires_at is not None


def test_a_key_is_revoked_by_post_only(console: Client, space: Space) -> None:
    key, _ = create_api_key(space, "Mine")
    page = reverse("admin:spaces_apikey_revoke", args=[key.pk])
    assert console.get(page).status_code == 200
    key.refresh_from_db()
    assert key.revoked_at is None
    assert console.post(page, {"_form_submitted": "on"}).headers["HX-Redirect"] == reverse(KEYS)
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_keys_are_revoked_together(console: Client, space: Space) -> None:
    first, second = (create_api_key(space, name)[0] for name in ("a", "b"))
    console.post(reverse(KEYS), {"action": "revoke_selected", "_selected_action": [first.pk], "index": 0})
    assert list(ApiKey.objects.filter(revoked_at=None)) == [second]


def test_a_key_cannot_be_changed_or_deleted(console: Client, space: Space) -> None:
    key, _ = create_api_key(space, "Mine")
    page = reverse("admin:spaces_apikey_change", args=[key.pk])
    assert console.get(page).status_code == 200
    assert console.post(page, {"name": "Yours"}).status_code == 403
    assert console.post(reverse("admin:spaces_apikey_delete", args=[key.pk]), {"post": "yes"}).status_code == 403


def test_who_does_not_administer_cannot_revoke(client: Client, space: Space) -> None:
    client.force_login(make_member(space, "editor"))
    key, _ = create_api_key(space, "Mine")
    assert client.get(reverse(KEYS)).status_code == 403
    page = reverse("admin:spaces_apikey_revoke", args=[key.pk])
    assert client.post(page, {"_form_submitted": "on"}).status_code == 403
    client.post(reverse(KEYS), {"action": "revoke_selected", "_selected_action": [key.pk], "index": 0})
    key.refresh_from_db()
    assert key.revoked_at is None


@pytest.mark.parametrize(
    ("state", "fields"),
    [
        ("live", {}),
        ("expired", {"expires_at": timezone.now() - timedelta(days=1)}),
        ("revoked", {"revoked_at": timezone.now()}),
    ],
)
def test_a_keys_state_is_shown(console: Client, space: Space, state: str, fields: dict[str, object]) -> None:
    key, _ = create_api_key(space, "Mine")
    ApiKey.objects.filter(pk=key.pk).update(**fields)
    for page in (reverse(KEYS), reverse("admin:spaces_apikey_change", args=[key.pk])):
        assert f"\n{state}\n" in console.get(page).content.decode()


def test_a_space_is_created_and_changed(console: Client, space: Space) -> None:
    given = {
        "slug": "plant-7",
        "name": "Plant 7",
        "description": "North",
        "color": "#00ff00",
        "default_event_type": "x.y",
        "default_event_source": "/plant",
    }
    assert console.post(reverse("admin:spaces_space_add"), given).status_code == 302
    made = Space.objects.get(slug="plant-7")
    assert (made.name, made.color, made.default_event_source) == ("Plant 7", "#00ff00", "/plant")
    page = reverse("admin:spaces_space_change", args=[made.pk])
    assert console.post(page, {**given, "slug": "other", "name": "Plant 8"}).status_code == 302
    revision = made.config_revision
    made.refresh_from_db()
    assert (made.slug, made.name) == ("plant-7", "Plant 8")
    assert made.config_revision > revision


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "Not An ID"),
        ("slug", "default"),
        ("name", "\u202e"),
        ("name", ""),
        ("color", "red"),
        ("default_event_type", ""),
    ],
)
def test_an_error_stands_on_its_field(console: Client, space: Space, field: str, value: str) -> None:
    given = {"slug": "new", "name": "New", "color": "#00ff00", "default_event_type": "x.y", field: value}
    answer = console.post(reverse("admin:spaces_space_add"), given)
    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == [field]
    assert Space.objects.count() == 1


def test_a_space_cannot_be_deleted(console: Client, other_space: Space) -> None:
    page = reverse("admin:spaces_space_delete", args=[other_space.pk])
    assert console.post(page, {"post": "yes"}).status_code == 403


def test_names_of_spaces_and_keys_are_escaped(console: Client, space: Space) -> None:
    Space.objects.filter(pk=space.pk).update(name=HOSTILE, description=HOSTILE)
    space.refresh_from_db()
    key, _ = create_api_key(space, HOSTILE)
    for page in (
        reverse(KEYS),
        reverse("admin:spaces_apikey_change", args=[key.pk]),
        reverse("admin:spaces_space_changelist"),
        reverse("admin:spaces_space_change", args=[space.pk]),
    ):
        text = console.get(page).content.decode()
        assert "alert(1)" in text
        assert "<script>alert" not in text
        assert "<img src=x" not in text


def test_a_spaces_limits_are_shown_set_and_lifted(console: Client, space: Space) -> None:
    page = reverse("admin:spaces_space_change", args=[space.pk])
    text = console.get(page).content.decode()
    assert "Limits" in text
    limits = {"max_events_per_second": 50, "max_stored_events": 9000, "max_connectors": 3, "retention_days": 14}
    given = {"name": space.name, "color": space.color, "default_event_type": "x.y"}
    assert console.post(page, {**given, **limits}).status_code == 302
    space.refresh_from_db()
    assert {name: getattr(space, name) for name in limits} == limits
    assert console.post(page, given).status_code == 302
    space.refresh_from_db()
    assert {getattr(space, name) for name in limits} == {None}


@pytest.mark.parametrize("field", ["max_events_per_second", "max_stored_events", "max_connectors", "retention_days"])
@pytest.mark.parametrize("wrong", ["0", "-1", "x", "99999999999"])
def test_a_limit_that_is_none_stands_on_its_field(console: Client, space: Space, field: str, wrong: str) -> None:
    given = {"name": space.name, "color": space.color, "default_event_type": "x.y", field: wrong}
    answer = console.post(reverse("admin:spaces_space_change", args=[space.pk]), given)
    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == [field]


def test_a_key_may_have_a_rate_of_its_own(console: Client, space: Space) -> None:
    make_key(console, space, max_requests_per_minute="77")
    key = ApiKey.objects.get()
    assert key.max_requests_per_minute == 77
    assert ">77<" in "".join(console.get(reverse("admin:spaces_apikey_change", args=[key.pk])).content.decode().split())
