"""A load balancer learns whether a process lives and whether it can work."""

import pytest
from django.db.utils import ConnectionHandler
from django.http import HttpResponse
from django.test import Client, RequestFactory

from connectors_project import health
from tests.servers import free_port

FOREIGN_HOST = "10.1.2.3:8000"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.django_db
def test_a_sound_process_answers_whatever_host_it_is_asked_by(path: str) -> None:
    assert Client().get(path, headers={"host": FOREIGN_HOST}).status_code == 200


@pytest.mark.django_db
def test_without_its_database_a_process_lives_but_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": free_port(), "NAME": "x"}
    monkeypatch.setattr(health, "connection", ConnectionHandler({"default": nobody})["default"])
    middleware = health.HealthMiddleware(lambda _: HttpResponse(status=418))
    assert middleware(RequestFactory().get("/healthz")).status_code == 200
    assert middleware(RequestFactory().get("/readyz")).status_code == 503


def test_other_paths_pass() -> None:
    middleware = health.HealthMiddleware(lambda _: HttpResponse(status=418))
    assert middleware(RequestFactory().get("/healthz/more")).status_code == 418
