"""Who tries passwords must wait, and the audit log has who came in, who failed to, and whose password changed."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from spaces.models import AuditEntry, Space
from spaces.services import create_api_key
from spaces.services.sign_ins import ENTRIES_PER_MINUTE, FAILED_LOGIN

PASSWORD, WRONG = "correct-horse-battery", "canary-hunter2"
CLIENT, OTHER, PROXY = "203.0.113.9", "198.51.100.7", "10.0.0.5"
LIMIT = 3


@pytest.fixture(autouse=True)
def user(db: None, settings: Settings) -> User:
    settings.AXES_FAILURE_LIMIT = LIMIT
    return User.objects.create_superuser("ann", password=PASSWORD)


def sign_in(name: str = "ann", password: str = WRONG, address: str = CLIENT, **extra: Any) -> HttpResponse:
    page = reverse("admin:login")
    answer = Client().post(page, {"username": name, "password": password}, REMOTE_ADDR=address, **extra)
    assert isinstance(answer, HttpResponse)
    return answer


def fail(times: int = LIMIT, name: str = "ann", address: str = CLIENT) -> list[int]:
    return [sign_in(name, address=address).status_code for _ in range(times)]


def entries() -> list[tuple[str, str, str, str | None]]:
    """What was done to whom, by whom and from where, in order."""
    assert not AuditEntry.objects.exclude(space=None).exists()
    return [
        (entry.action, entry.object_name, entry.actor, entry.address) for entry in AuditEntry.objects.order_by("id")
    ]


def test_who_tries_too_many_passwords_is_told_to_wait_and_for_how_long() -> None:
    assert fail() == [200, 200, 429]
    answer = sign_in(password=PASSWORD)
    assert answer.status_code == 429
    assert 890 <= int(answer["Retry-After"]) <= 900
    text = answer.content.decode()
    assert "Try again in 15 minutes" in text
    assert "_auth_user_id" not in answer.client.session  # type: ignore[attr-defined]


def test_the_wait_ends_by_itself_and_trying_does_not_prolong_it() -> None:
    fail()
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(seconds=840))
    assert 50 <= int(sign_in()["Retry-After"]) <= 60
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(seconds=901))
    assert sign_in(password=PASSWORD).status_code == 302


def test_the_command_ends_the_wait() -> None:
    fail()
    call_command("axes_reset")
    assert sign_in(password=PASSWORD).status_code == 302


def test_another_address_and_another_name_need_not_wait() -> None:
    fail()
    assert sign_in(password=PASSWORD, address=OTHER).status_code == 302
    assert sign_in("bob").status_code == 200


def test_a_good_login_begins_the_count_anew() -> None:
    fail(LIMIT - 1)
    assert sign_in(password=PASSWORD).status_code == 302
    assert fail(LIMIT - 1) == [200, 200]


def test_a_name_that_does_not_exist_is_answered_as_one_that_does() -> None:
    def answers(name: str) -> list[tuple[int, str]]:
        sent = [sign_in(name) for _ in range(LIMIT + 1)]
        return [(answer.status_code, answer.content.decode().replace(name, "NAME")) for answer in sent]

    known, unknown = answers("ann"), answers("eve")
    tokens = r'name="csrfmiddlewaretoken" value="[^"]+"'
    assert [code for code, _ in known] == [code for code, _ in unknown] == [200, 200, 429, 429]
    for (_, one), (_, other) in zip(known, unknown, strict=True):
        assert re.sub(tokens, "", one) == re.sub(tokens, "", other)


def test_clients_behind_a_trusted_proxy_are_told_apart(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = [f"{PROXY}/32"]

    def from_client(address: str, **given: Any) -> int:
        return sign_in(address=PROXY, headers={"x-forwarded-for": address}, **given).status_code

    assert [from_client(CLIENT) for _ in range(LIMIT)] == [200, 200, 429]
    assert from_client(f"8.8.8.8, {CLIENT}") == 429
    assert from_client(OTHER, password=PASSWORD) == 302
    assert ("user.locked_out", "ann", "anonymous", CLIENT) in entries()


def test_a_client_cannot_make_up_its_address() -> None:
    answers = [sign_in(headers={"x-forwarded-for": f"8.8.8.{number}"}).status_code for number in range(LIMIT)]
    assert answers == [200, 200, 429]


def test_a_client_of_ipv6_is_counted_by_its_network() -> None:
    assert [sign_in(address=f"2001:db8::{number}").status_code for number in range(LIMIT)] == [200, 200, 429]


@pytest.mark.parametrize("name", ["a" * 10_000, "a\0b", "", "\ud800"], ids=["long", "nul", "empty", "surrogate"])
def test_no_name_breaks_the_login(name: str) -> None:
    body = urlencode({"username": name, "password": WRONG}, errors="surrogatepass")
    kind = "application/x-www-form-urlencoded"
    answers = [Client().generic("POST", reverse("admin:login"), body, kind).status_code for _ in range(LIMIT + 1)]
    assert set(answers) <= {200, 429}


def test_keys_of_the_api_work_while_somebody_must_wait() -> None:
    space = Space.objects.create(slug="mine", name="Mine")
    bearer = {"authorization": f"Bearer {create_api_key(space, 'key')[1]}"}
    fail()
    assert Client().get("/api/v1/spaces", headers=bearer, REMOTE_ADDR=CLIENT).status_code == 200
    wrong = [Client().get("/api/v1/spaces", headers={"authorization": "Bearer sy_no"}) for _ in range(LIMIT + 2)]
    assert {answer.status_code for answer in wrong} == {401}


def test_who_comes_and_goes_is_recorded() -> None:
    client = Client(REMOTE_ADDR=CLIENT)
    client.post(reverse("admin:login"), {"username": "ann", "password": PASSWORD})
    client.post(reverse("admin:logout"))
    client.post(reverse("admin:logout"))
    assert entries() == [("user.login", "ann", "ann", CLIENT), ("user.logout", "ann", "ann", CLIENT)]


def test_who_fails_is_recorded_with_the_name_and_never_the_password(caplog: pytest.LogCaptureFixture) -> None:
    fail(LIMIT + 2)
    sign_in("nobody\nforged line", address=OTHER)
    assert entries() == [
        ("user.login_failed", "ann", "anonymous", CLIENT),
        ("user.locked_out", "ann", "anonymous", CLIENT),
        ("user.login_failed", "nobody\nforged line", "anonymous", OTHER),
    ]
    kept = [str(row) for table in (AuditEntry, AccessAttempt) for row in table.objects.values()]
    assert WRONG not in "".join(kept) + caplog.text
    assert "\nforged" not in caplog.text


def test_one_name_from_one_address_is_recorded_once_a_minute(settings: Settings) -> None:
    settings.AXES_FAILURE_LIMIT = 1000
    fail(5)
    fail(5, address=OTHER)
    assert len(entries()) == 2
    AuditEntry.objects.update(time=timezone.now() - timedelta(seconds=61))
    fail(5)
    assert len(entries()) == 3


def test_a_flood_of_names_and_addresses_makes_a_bounded_number_of_entries() -> None:
    AuditEntry.objects.bulk_create(
        AuditEntry(actor_kind="user", actor="anonymous", action=FAILED_LOGIN, object_name=f"name-{number}")
        for number in range(ENTRIES_PER_MINUTE - 1)
    )
    for number in range(5):
        sign_in(f"other-{number}", address=f"203.0.113.{number}")
    assert len(entries()) == ENTRIES_PER_MINUTE
    with CaptureQueriesContext(connection) as queries:
        sign_in("one more")
    (read,) = [query["sql"] for query in queries if query["sql"].startswith('SELECT "spaces_auditentry"')]
    assert "LIMIT" in read
    assert sign_in(password=PASSWORD).status_code == 302
    assert entries()[-1] == ("user.login", "ann", "ann", CLIENT)


def test_a_new_password_is_recorded_by_who_set_it(user: User) -> None:
    User.objects.create_user("bob", password=PASSWORD)
    client = Client(REMOTE_ADDR=CLIENT)
    client.force_login(user)
    both = {"new_password1": WRONG, "new_password2": WRONG}
    answer = client.post(reverse("admin:password_change"), {"old_password": PASSWORD, **both})
    assert answer.status_code == 302
    bob = User.objects.get(username="bob")
    both = {"password1": WRONG, "password2": WRONG, "usable_password": "true"}
    assert client.post(reverse("admin:auth_user_password_change", args=[bob.pk]), both).status_code == 302
    off = {"usable_password": "false", "unset-password": "1"}
    assert client.post(reverse("admin:auth_user_password_change", args=[bob.pk]), off).status_code == 302
    assert entries() == [
        ("user.password_change", "ann", "ann", CLIENT),
        ("user.password_change", "bob", "ann", CLIENT),
        ("user.password_change", "bob", "ann", CLIENT),
    ]
    bob.refresh_from_db()
    bob.set_password(PASSWORD)
    bob.save()
    assert entries()[-1] == ("user.password_change", "bob", "system", None)
    assert WRONG not in str(list(AuditEntry.objects.values()))


def test_a_renewed_hash_and_any_other_change_is_no_new_password(user: User, settings: Settings) -> None:
    user.first_name = "Ann"
    user.save()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", *settings.PASSWORD_HASHERS]
    sign_in(password=PASSWORD)
    user.refresh_from_db()
    assert user.password.startswith("pbkdf2")
    assert [action for action, *_ in entries()] == ["user.login"]


def test_a_session_ends_after_a_working_day_and_no_script_or_other_site_gets_it() -> None:
    cookie = sign_in(password=PASSWORD).cookies["sessionid"]
    assert cookie["max-age"] == 12 * 60 * 60
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Lax"


def test_a_session_does_nothing_over_the_api_without_a_csrf_token(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    body = {"id": "forged", "name": "Forged", "description": ""}
    answer = client.post("/api/v1/spaces", body, content_type="application/json")
    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"
    assert "CSRF" in answer.json()["detail"]
    client.get(reverse("admin:password_change"))
    token = {"x-csrftoken": client.cookies["csrftoken"].value}
    assert client.post("/api/v1/spaces", body, content_type="application/json", headers=token).status_code == 201
