"""What the tests of single sign-on look at: an installation, somebody's browser, and who comes."""

import re
import sqlite3
from collections.abc import Callable
from html import unescape
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.openid_provider import OpenIDProvider
from tests.servers import Switchyard

Claims = dict[str, Any]
_numbers = count(1)


class Installation:
    """A web process with single sign-on, and its database."""

    def __init__(self, switchyard: Switchyard, provider: OpenIDProvider) -> None:
        self.switchyard = switchyard
        self.provider = provider
        self.url = switchyard.url

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.switchyard.directory / "var" / "switchyard.sqlite3", timeout=30)
        try:
            with connection:
                return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def user(self, username: str) -> tuple[list[str], bool, bool] | None:
        """Return groups, whether staff, whether superuser."""
        found = self.rows("SELECT id, is_staff, is_superuser FROM auth_user WHERE username = ?", username)
        if not found:
            return None
        ((pk, is_staff, is_superuser),) = found
        groups = self.rows(
            "SELECT name FROM auth_group JOIN auth_user_groups ON group_id = auth_group.id WHERE user_id = ?"
            " ORDER BY name",
            pk,
        )
        return [name for (name,) in groups], bool(is_staff), bool(is_superuser)

    def audit(self, username: str) -> list[tuple[Any, ...]]:
        return self.rows(
            "SELECT action, actor_kind, actor, address FROM spaces_auditentry WHERE object_name = ?"
            " AND action IN ('user.create', 'user.update') ORDER BY id",
            username,
        )

    def count_users(self) -> int:
        ((number,),) = self.rows("SELECT count(*) FROM auth_user")
        return int(number)


class Browser(requests.Session):
    """Somebody's browser; what it shows is a ``Response`` after all redirects."""

    def __init__(self, installation: Installation) -> None:
        super().__init__()
        self.trust_env = False
        self._url = installation.url

    def open(self, path: str, *, follow: bool = True) -> requests.Response:
        return self.get(self._url + path, allow_redirects=follow, timeout=60)

    def sign_in(self, path: str = "/accounts/oidc/login/") -> requests.Response:
        return self.open(path)

    def sign_out(self) -> requests.Response:
        data = {"csrfmiddlewaretoken": self.cookies["csrftoken"]}
        return self.post(f"{self._url}/admin/logout/", data=data, timeout=60)


def person(*groups: str, **claims: Any) -> Claims:
    number = next(_numbers)
    return {
        "sub": f"subject-{number}",
        "preferred_username": f"person-{number}",
        "given_name": "Ada",
        "family_name": "Lovelace",
        "email": f"person-{number}@example.com",
        "groups": list(groups) or ["ops-team"],
        **claims,
    }


def told(page: requests.Response) -> str:
    """Return what a refused person reads, on the login page."""
    assert page.status_code == 200
    assert urlsplit(page.url).path == "/admin/login/"
    assert 'type="password"' in page.text
    return unescape(re.sub(r"<[^>]+>", " ", page.text))


def is_inside(browser: Browser) -> bool:
    return browser.open("/admin/", follow=False).status_code == 200


def assert_refused(installation: Installation, browser: Browser, words: str) -> None:
    """Sign in and be told so; nobody is made, and nobody is inside."""
    users = installation.count_users()
    assert re.search(words, told(browser.sign_in()))
    assert not is_inside(browser)
    assert installation.count_users() == users


def changed(**claims: Any) -> Callable[[Claims], Claims]:
    return lambda token: {**token, **claims}


def without(*names: str) -> Callable[[Claims], Claims]:
    return lambda token: {name: value for name, value in token.items() if name not in names}
