"""Behind a proxy that ends TLS, browsers are kept on https; nobody but that proxy is believed about anything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.management.utils import get_random_secret_key
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from connectors.secrets import generate_key
from connectors_project.options import OPTIONS
from connectors_project.proxies import ProxyMiddleware
from spaces.addresses import address_of, network_of
from tests.servers import ROOT

PROXY, CLIENT, OTHER = "10.0.0.5", "203.0.113.9", "198.51.100.7"

ASK = """
from django.test import Client
for path, sender, scheme in {requests!r}:
    headers = {{"host": "hub.example.com", "x-forwarded-proto": scheme}} if scheme else {{"host": "hub.example.com"}}
    answer = Client().get(path, REMOTE_ADDR=sender, headers=headers)
    print(path, sender, scheme, answer.status_code, answer.get("Location"), answer.get("Strict-Transport-Security"))
    for name, cookie in answer.cookies.items():
        print("cookie", name, bool(cookie["secure"]), cookie["samesite"])
"""


def in_production(*command: str, **given: str) -> subprocess.CompletedProcess[str]:
    names = {option.name for option in OPTIONS} | {f"{option.name}_FILE" for option in OPTIONS}
    production = {
        "DATABASE_URL": "postgres://hub:password@127.0.0.1:1/hub",
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "SECRET_KEY": get_random_secret_key(),
        "SECRETS_KEYS": generate_key(),
        "ALLOWED_HOSTS": "hub.example.com",
        "HTTPS": "true",
        "TRUSTED_PROXIES": f"{PROXY}/32",
        "DJANGO_SETTINGS_MODULE": "connectors_project.settings",
    }
    environment = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=environment | production | given,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_production_installation_passes_every_check_of_a_deployment() -> None:
    done = in_production("check", "--deploy", "--fail-level", "WARNING")
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout


def test_without_https_the_check_of_a_deployment_warns() -> None:
    done = in_production("check", "--deploy", "--fail-level", "WARNING", HTTPS="false")
    assert done.returncode == 1
    assert "security.W008" in done.stderr


def test_https_without_a_proxy_that_ends_it_is_refused(settings: Settings) -> None:
    settings.HTTPS = True
    (error,) = run_checks()
    assert error.id == "switchyard.HTTPS"
    settings.TRUSTED_PROXIES = ["10.0.0.5/32"]
    assert run_checks() == []


def test_browsers_are_kept_on_https_and_probes_are_not_sent_away(tmp_path: Path) -> None:
    requests = [
        ("/admin/login/", OTHER, ""),
        ("/admin/login/", OTHER, "https"),
        ("/admin/login/", PROXY, "http"),
        ("/admin/login/", PROXY, "https"),
        ("/healthz", OTHER, ""),
        ("/demo/receiver/", "127.0.0.1", ""),
    ]
    embedded = {"DATABASE_URL": "", "BROKER_URL": "", "VAR_DIR": str(tmp_path)}
    done = in_production("shell", "-v", "0", "-c", ASK.format(requests=requests), **embedded)
    assert done.stderr == ""
    away = "301 https://hub.example.com/admin/login/ None"
    assert done.stdout.splitlines() == [
        f"/admin/login/ {OTHER}  {away}",
        f"/admin/login/ {OTHER} https {away}",
        f"/admin/login/ {PROXY} http {away}",
        f"/admin/login/ {PROXY} https 200 None max-age=31536000",
        "cookie csrftoken True Lax",
        f"/healthz {OTHER}  200 None None",
        "/demo/receiver/ 127.0.0.1  302 /admin/login/?next=/demo/receiver/ None",
    ]


def through_proxies(settings: Settings, sender: str, **headers: str) -> HttpRequest:
    """Return the request as views see it where 10.0.0.0/8 and fd00::/8 are trusted."""
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "fd00::/8"]
    request = RequestFactory().get("/", REMOTE_ADDR=sender, headers=headers)
    ProxyMiddleware(lambda _: HttpResponse())(request)
    return request


@pytest.mark.parametrize(
    ("sender", "hops", "client"),
    [
        (PROXY, CLIENT, CLIENT),
        (f"::ffff:{PROXY}", CLIENT, CLIENT),
        ("fd00::1", "2001:db8::9", "2001:db8::9"),
        (PROXY, f"{OTHER}, {CLIENT}", CLIENT),
        (PROXY, f"{OTHER}, {CLIENT}, 10.9.9.9", CLIENT),
        (PROXY, f"{CLIENT}, nonsense, 10.9.9.9", "10.9.9.9"),
        (PROXY, "10.1.1.1", "10.1.1.1"),
        (PROXY, "", PROXY),
        (PROXY, "' OR 1=1", PROXY),
        (OTHER, CLIENT, OTHER),
        ("", CLIENT, None),
    ],
)
def test_the_address_is_the_last_that_no_trusted_proxy_has(
    settings: Settings, sender: str, hops: str, client: str | None
) -> None:
    request = through_proxies(settings, sender, **{"x-forwarded-for": hops})
    assert address_of(request) == client
    assert "x-forwarded-for" not in request.headers


@pytest.mark.parametrize(("sender", "told"), [(PROXY, "https"), (OTHER, None)])
def test_only_a_trusted_proxy_says_that_a_request_came_over_tls(
    settings: Settings, sender: str, told: str | None
) -> None:
    request = through_proxies(settings, sender, **{"x-forwarded-proto": "https"})
    assert request.headers.get("x-forwarded-proto") == told


def test_a_client_of_ipv6_is_one_however_many_addresses_it_uses() -> None:
    requests = [RequestFactory().get("/", REMOTE_ADDR=f"2001:db8:1:2::{last}") for last in ("1", "ffff:3%eth0")]
    assert {network_of(request) for request in requests} == {"2001:db8:1:2::"}
    assert network_of(RequestFactory().get("/", REMOTE_ADDR=CLIENT)) == CLIENT
