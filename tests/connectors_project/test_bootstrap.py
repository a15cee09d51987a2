"""The first run makes an installation usable, once, however often and by however many it is started."""

import threading

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from connectors_project.bootstrap import Credentials, bootstrap
from connectors_project.demo.content import DEMO_SPACE
from connectors_project.welcome import first_run_notice, running_notice
from rules.models import Rule
from spaces.models import Space
from spaces.services import authenticate_key

pytestmark = pytest.mark.django_db


def test_the_first_run_makes_a_login_and_a_key_that_work() -> None:
    credentials = bootstrap()
    assert credentials is not None
    user = get_user_model().objects.get(username=credentials.username)
    assert user.check_password(credentials.password)
    assert user.is_superuser
    assert authenticate_key(credentials.token).space.slug == credentials.space
    assert Space.objects.filter(slug="default").exists()


def test_later_runs_make_nothing() -> None:
    bootstrap()
    assert bootstrap() is None
    assert get_user_model().objects.count() == 1


def test_a_demo_that_was_deleted_does_not_come_back() -> None:
    bootstrap()
    Rule.objects.filter(space__slug=DEMO_SPACE).delete()
    bootstrap()
    assert not Rule.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_runs_at_the_same_moment_make_one_user() -> None:
    together, made = threading.Barrier(4), list[Credentials | None]()

    def run() -> None:
        together.wait()
        try:
            made.append(bootstrap())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert sum(credentials is not None for credentials in made) == 1
    assert get_user_model().objects.count() == 1
    assert Space.objects.filter(slug="default").count() == 1


def test_only_the_first_start_shows_secrets() -> None:
    credentials = bootstrap()
    assert credentials is not None
    for secret in (credentials.password, credentials.token):
        assert secret in first_run_notice(credentials)
        assert secret not in running_notice()
        assert secret not in repr(credentials)
