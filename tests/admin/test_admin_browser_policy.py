"""Each answer tells browsers what to refuse, and no page of the installation needs what its own policy refuses."""

import re
from html.parser import HTMLParser

import pytest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from connectors_project.browser_policies import BrowserPolicyMiddleware
from spaces.models import Space
from tests.admin.test_admin_console import make_everything

STRICT = {
    "default-src": "'self'",
    "script-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "form-action": "'self'",
}
CONSOLE = STRICT | {"script-src": "'self' 'unsafe-eval'", "style-src": "'self' 'unsafe-inline'"}
BUNDLES = STRICT | {"style-src": "'self' 'unsafe-inline'", "worker-src": "'self' blob:"}
DATA = {"default-src": "'none'", "frame-ancestors": "'none'"}


def fetch(client: Client, path: str) -> HttpResponse:
    answer = client.get(path)
    if isinstance(answer, StreamingHttpResponse):
        return HttpResponse(answer.getvalue(), headers=dict(answer.headers))
    assert isinstance(answer, HttpResponse)
    return answer


def policy(answer: HttpResponse) -> dict[str, str]:
    """The sources of each directive."""
    parts = (part.strip().partition(" ") for part in answer["Content-Security-Policy"].split(";"))
    return {name: sources for name, _, sources in parts}


def is_html(answer: HttpResponse) -> bool:
    return answer["Content-Type"].startswith("text/html")


class Page(HTMLParser):
    """What of a page its policy refuses, and where its links lead."""

    def __init__(self, answer: HttpResponse) -> None:
        super().__init__()
        self.refused: list[str] = []
        self.links: list[str] = []
        self._policy = policy(answer)
        self.feed(answer.content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "script" and given.get("type") != "application/json" and "src" not in given:
            nonce = f"'nonce-{given.get('nonce')}'"
            if nonce not in self._policy["script-src"].split():
                self.refused.append(f"inline script {given}")
        if tag == "base":
            self.refused.append(f"base {given}")
        if (tag == "style" or "style" in given) and "'unsafe-inline'" not in self._policy.get("style-src", ""):
            self.refused.append(f"inline style in {tag}")
        own = re.compile(r"(/(?!/)|\?|#|\./|\.\./|$)|" + ("data:" if tag == "img" else "$"))
        for name, value in given.items():
            loads = name in {"src", "action", "formaction", "data"} or (tag == "link" and name == "href")
            if (
                name.startswith("on")
                or value.strip().lower().startswith("javascript:")
                or (loads and not own.match(value))
            ):
                self.refused.append(f"{tag} {name}={value}")
        if tag == "a":
            self.links.append(given.get("href", ""))

    handle_startendtag = handle_starttag


def pages_from(client: Client, start: str) -> dict[str, HttpResponse]:
    """Every page that links lead to from there, one for each path."""
    seen: dict[str, HttpResponse] = {}
    waiting = [start]
    while waiting:
        address = waiting.pop()
        path = address.partition("?")[0]
        if path in seen:
            continue
        seen[path] = fetch(client, address)
        if is_html(seen[path]):
            links = (link.partition("#")[0] for link in Page(seen[path]).links)
            waiting += [link if link.startswith("/") else path + link for link in links if re.match(r"[/?]", link)]
    return seen


def test_every_page_of_the_console_runs_under_its_policy(console: Client, space: Space) -> None:
    make_everything(space)
    found = pages_from(console, reverse("admin:index"))
    pages = {path: page for path, page in found.items() if page.status_code == 200 and is_html(page)}
    assert len(pages) > 50
    for name in ("connectors_connector_add", "django_celery_beat_periodictask_changelist", "auth_user_changelist"):
        assert reverse(f"admin:{name}") in pages
    assert any(re.search(r"periodictask/\d+/change/$", path) for path in pages)
    assert {path: Page(page).refused for path, page in pages.items() if Page(page).refused} == {}
    assert {path: policy(page) for path, page in pages.items() if policy(page) != CONSOLE} == {}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/admin/login/", CONSOLE),
        ("/demo/receiver/", CONSOLE),
        ("/api/v1/docs", BUNDLES),
        ("/api/v1/redoc", BUNDLES),
        ("/nothing", STRICT),
    ],
)
def test_each_page_has_a_policy_that_allows_what_it_needs_and_no_more(
    console: Client, path: str, expected: dict[str, str]
) -> None:
    client = console if path.startswith("/demo") else Client()
    answer = fetch(client, path)
    assert policy(answer) == expected
    assert Page(answer).refused == []


@pytest.mark.parametrize("path", ["/api/v1/schema", "/api/v1/docs?script=", "/api/v1/spaces", "/api/nothing"])
def test_data_may_do_nothing(console: Client, path: str) -> None:
    answer = fetch(console, path)
    assert not is_html(answer)
    assert policy(answer) == DATA


@pytest.mark.parametrize("path", ["/admin/login/", "/api/v1/spaces", "/api/v1/docs", "/static/switchyard/icon.svg"])
def test_every_answer_has_the_headers_that_harden_browsers(console: Client, path: str) -> None:
    headers = console.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    if not path.startswith("/static/"):
        assert headers["X-Frame-Options"] == "DENY"


def test_a_script_in_a_page_runs_only_with_the_nonce_of_its_answer(console: Client) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f'<script nonce="{request.csp_nonce}"></script><script nonce="x"></script>')  # type: ignore[attr-defined]

    middleware = BrowserPolicyMiddleware(view)
    answers = [middleware(RequestFactory().get("/")) for _ in range(2)]
    assert isinstance(answers[0], HttpResponse)
    assert isinstance(answers[1], HttpResponse)
    assert [len(Page(answers[0]).refused), len(Page(answers[1]).refused)] == [1, 1]
    assert policy(answers[0])["script-src"] != policy(answers[1])["script-src"]
