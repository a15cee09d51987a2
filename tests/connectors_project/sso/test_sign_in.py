"""People sign in at an OpenID provider, and come back with what its groups give them."""

import re
import time
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client
from django.urls import NoReverseMatch, reverse
from werkzeug import Response

from tests.connectors_project.sso.sign_in import Browser, Installation, assert_refused, is_inside, person, told, without
from tests.openid_provider import CLIENT_SECRET


def test_the_first_sign_in_makes_a_user_with_the_groups_of_the_provider(
    installation: Installation, browser: Browser
) -> None:
    installation.provider.person = person("ops-team", "unheard-of", preferred_username="ada")
    page = browser.sign_in("/accounts/oidc/login/?next=/admin/password_change/")
    assert (page.status_code, urlsplit(page.url).path) == (200, "/admin/password_change/")
    assert is_inside(browser)
    assert installation.user("ada") == (["Operators"], True, False)
    ((password, first, last, email),) = installation.rows(
        "SELECT password, first_name, last_name, email FROM auth_user WHERE username = 'ada'"
    )
    assert password.startswith("!")  # no password fits it
    assert (first, last, email) == ("Ada", "Lovelace", installation.provider.person["email"])
    system = ("system", "single sign-on", "127.0.0.1")
    assert installation.audit("ada") == [("user.create", *system), ("user.update", *system)]


def test_each_sign_in_takes_lost_groups_away_and_no_others(installation: Installation, browser: Browser) -> None:
    somebody = person("ops-team", "viewers", "root-team")
    installation.provider.person = somebody
    name = somebody["preferred_username"]
    browser.sign_in()
    assert installation.user(name) == (["Operators", "viewers"], True, True)
    installation.rows("INSERT OR IGNORE INTO auth_group (name) VALUES ('Given here')")
    installation.rows(
        "INSERT INTO auth_user_groups (user_id, group_id) SELECT auth_user.id, auth_group.id FROM auth_user, auth_group"
        " WHERE username = ? AND name = 'Given here'",
        name,
    )
    installation.provider.person = {**somebody, "groups": ["viewers"], "preferred_username": "renamed"}
    Browser(installation).sign_in()
    assert installation.user(name) == (["Given here", "viewers"], True, False)
    assert installation.user("renamed") is None
    ((before, after),) = installation.rows(
        "SELECT before, after FROM spaces_auditentry WHERE object_name = ? AND action = 'user.update'"
        " ORDER BY id DESC LIMIT 1",
        name,
    )
    assert ("Operators" in before, "Operators" in after, "Given here" in after) == (True, False, True)


def test_who_lost_every_group_is_refused_and_thrown_out(installation: Installation, browser: Browser) -> None:
    somebody = person("root-team")
    installation.provider.person = somebody
    browser.sign_in()
    installation.provider.person = {**somebody, "groups": []}
    assert "none of the groups" in told(Browser(installation).sign_in())
    assert installation.user(somebody["preferred_username"]) == ([], False, False)
    assert not is_inside(browser)


def test_who_is_in_no_group_gets_no_user(installation: Installation, browser: Browser) -> None:
    installation.provider.person = person("unheard-of")
    assert "none of the groups" in told(browser.sign_in())
    assert installation.user(installation.provider.person["preferred_username"]) is None


def test_groups_may_come_from_userinfo_alone(installation: Installation, browser: Browser) -> None:
    installation.provider.change_token = without("groups", "preferred_username")
    browser.sign_in()
    assert installation.user(installation.provider.person["preferred_username"]) == (["Operators"], True, False)


@pytest.mark.parametrize("taken", ["admin", "ADMIN"])
def test_a_user_of_that_name_is_not_taken_over(installation: Installation, browser: Browser, taken: str) -> None:
    before = installation.rows("SELECT * FROM auth_user WHERE username = 'admin'")
    installation.provider.person = person("root-team", preferred_username=taken)
    assert f'another user "{taken}"' in told(browser.sign_in())
    assert not is_inside(browser)
    assert installation.rows("SELECT * FROM auth_user WHERE username = 'admin'") == before


def test_a_name_that_another_person_gets_at_the_provider_opens_nothing(
    installation: Installation, browser: Browser
) -> None:
    first = installation.provider.person
    browser.sign_in()
    installation.provider.person = {**first, "sub": "the-next-one"}
    other = Browser(installation)
    assert "another user" in told(other.sign_in())
    assert not is_inside(other)


@pytest.mark.parametrize("username", ["two words", "nul\0", "a" * 151, "<b>bold"])
def test_a_name_that_cannot_be_one_here_is_refused_or_passed_over(
    installation: Installation, browser: Browser, username: str
) -> None:
    installation.provider.person = person(preferred_username=username)
    page = browser.sign_in()
    assert "<b>bold" not in page.text
    if not is_inside(browser):
        assert "cannot be used here" in told(page)
    assert installation.user(username) is None


def test_who_gives_up_at_the_provider_reads_so(installation: Installation, browser: Browser) -> None:
    installation.provider.error = "access_denied"
    assert_refused(installation, browser, "did not let you in")


def test_an_answer_that_nobody_asked_for_is_refused(installation: Installation, browser: Browser) -> None:
    assert "Try again" in told(browser.open("/accounts/oidc/callback/?code=x&state=y"))
    assert "Try again" in told(browser.open("/accounts/oidc/callback/"))


def test_an_answer_is_taken_once_and_from_the_browser_that_asked(installation: Installation, browser: Browser) -> None:
    at_provider = browser.open("/accounts/oidc/login/", follow=False).headers["Location"]
    answer = requests.get(at_provider, allow_redirects=False, timeout=60).headers["Location"]
    thief = Browser(installation)
    assert "Try again" in told(thief.get(answer, timeout=60))
    assert not is_inside(thief)
    browser.get(answer, timeout=60)
    assert is_inside(browser)
    again = browser.get(answer, timeout=60)
    assert again.status_code == 200
    assert "another browser" in unescape(again.text)


def test_the_link_that_begins_a_sign_in_changes_nothing_of_it(installation: Installation, browser: Browser) -> None:
    steered = "scope=admin&process=connect&action=rerequest&auth_params=prompt%3Dnone%26redirect_uri%3Dhttp://evil"
    page = browser.sign_in(f"/accounts/oidc/login/?next=//evil.example/&{steered}")
    assert urlsplit(page.url).path == "/admin/"
    (asked,) = installation.provider.authorized
    assert asked["redirect_uri"] == f"{installation.url}/accounts/oidc/callback/"
    assert set(asked["scope"].split()) == {"openid", "profile", "email"}
    assert "prompt" not in asked


def test_people_come_back_over_tls_where_a_proxy_ends_it(installation: Installation, browser: Browser) -> None:
    browser.headers["Host"] = "switchyard.example"
    way = browser.open("/accounts/oidc/login/", follow=False).headers["Location"]
    assert parse_qs(urlsplit(way).query)["redirect_uri"] == ["https://switchyard.example/accounts/oidc/callback/"]


def test_a_sign_in_ends_after_the_hours_that_are_set_and_by_signing_out(
    installation: Installation, browser: Browser
) -> None:
    browser.sign_in()
    (cookie,) = [cookie for cookie in browser.cookies if cookie.name == "sessionid"]
    assert cookie.expires is not None
    assert 7 * 3600 < cookie.expires - time.time() <= 8 * 3600 + 60
    assert browser.sign_out().status_code == 200
    assert not is_inside(browser)


def test_the_login_page_has_the_button_and_it_keeps_the_way(browser: Browser) -> None:
    page = browser.open("/admin/auth/group/").text
    ((link, label),) = re.findall(r'<a href="(/accounts/oidc/[^"]+)"[^>]*>\s*(.*?)\s*</a>', page, re.DOTALL)
    assert label == "Sign in with Example &lt;ID&gt;"
    assert parse_qs(urlsplit(unescape(link)).query) == {"next": ["/admin/auth/group/"]}


def test_a_local_user_still_signs_in_with_a_password(installation: Installation, browser: Browser) -> None:
    installation.switchyard.manage(
        "shell", "-c", "from django.contrib.auth.models import User; User.objects.create_superuser('local', '', 'p4ss')"
    )
    browser.open("/admin/login/")
    data = {"username": "local", "password": "p4ss", "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
    browser.post(f"{installation.url}/admin/login/?next=/admin/", data=data, timeout=60)
    assert is_inside(browser)
    for model in ("account/emailaddress", "socialaccount/socialapp", "socialaccount/socialaccount"):
        assert browser.open(f"/admin/{model}/").status_code == 404


@pytest.mark.parametrize("path", ["login/", "signup/", "password/reset/", "3rdparty/", "email/", "logout/", ""])
def test_no_page_of_allauth_can_be_reached(browser: Browser, path: str) -> None:
    assert browser.open(f"/accounts/{path}").status_code == 404


def test_no_log_has_the_clients_secret_or_a_traceback(installation: Installation, browser: Browser) -> None:
    browser.sign_in()
    installation.provider.failing["/token"] = Response(CLIENT_SECRET, 400)
    Browser(installation).sign_in()
    logs = installation.switchyard.logs()
    assert "Single sign-on failed" in logs
    assert CLIENT_SECRET not in logs
    assert "Traceback" not in logs


def test_models_and_migrations_agree_with_single_sign_on(installation: Installation) -> None:
    assert "No changes" in installation.switchyard.manage("makemigrations", "--check", "--dry-run")


@pytest.mark.django_db
def test_without_an_issuer_there_is_no_address_and_no_button(client: Client) -> None:
    with pytest.raises(NoReverseMatch):
        reverse("oidc_login")
    for path in ("/accounts/oidc/login/", "/accounts/oidc/callback/"):
        assert client.get(path).status_code == 404
    assert "Sign in with" not in client.get("/admin/login/").content.decode()
