"""The demo shows a newcomer events that match, events that do not, and what was delivered."""

import itertools
import json
import random

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import path
from pytest_django import Settings

from connectors.models import Connector
from connectors_project import urls
from connectors_project.demo.content import DEMO_SPACE, load_demo, point_demo_to_receiver
from connectors_project.demo.events import demo_events
from connectors_project.demo.receiver import forget_all, receiver
from rules.conditions import bind, compile_condition
from rules.models import Rule

# Only the embedded shape serves the receiver by itself.
urlpatterns = [path("demo/receiver/", receiver), *urls.urlpatterns]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("ada"))
    return client


@pytest.fixture(autouse=True)
def _empty_receiver() -> None:
    forget_all()


def test_each_rule_of_the_demo_meets_events_that_match_and_events_that_do_not() -> None:
    load_demo()
    made = [event for event, _ in itertools.islice(demo_events(random.Random(1)), 300)]
    rules = list(Rule.objects.filter(space__slug=DEMO_SPACE))
    assert len(rules) == 3
    for rule in rules:
        condition = compile_condition(rule.condition)
        watched = [event for event in made if event.type in rule.params["event_types"]]
        matches = [condition.evaluate(bind({"data": json.loads(event.data or "null")})).matched for event in watched]
        assert {True, False} == set(matches), rule.name


def test_the_demo_delivers_to_the_receiver_wherever_it_listens(settings: Settings) -> None:
    load_demo()
    settings.HOST, settings.PORT = "0.0.0.0", 8123
    point_demo_to_receiver()
    assert Connector.objects.get().config["url"] == "http://127.0.0.1:8123/demo/receiver/"


def test_the_demo_loads_whatever_the_longest_time_of_a_request(settings: Settings) -> None:
    settings.NETWORK_TIMEOUT = 1
    load_demo()
    assert Connector.objects.get().config["timeout"] == 1


def test_a_start_on_the_same_port_leaves_the_connector_alone() -> None:
    load_demo()
    point_demo_to_receiver()
    assert Connector.objects.get().version == 1


def test_the_receiver_shows_what_was_delivered(staff: Client) -> None:
    answer = Client().post(
        "/demo/receiver/", {"site": "<b>north</b>"}, "application/json", headers={"webhook-id": "w-1"}
    )
    assert answer.status_code == 200
    page = staff.get("/demo/receiver/").content.decode()
    assert "webhook-id w-1" in page
    assert "{&quot;site&quot;: &quot;&lt;b&gt;north&lt;/b&gt;&quot;}" in page


def test_the_receiver_keeps_the_last_hundred(staff: Client) -> None:
    for number in range(101):
        Client().post("/demo/receiver/", {"number": f"n{number}."}, "application/json")
    page = staff.get("/demo/receiver/").content.decode()
    assert "n100." in page
    assert "n1." in page
    assert "n0." not in page


def test_a_stranger_sees_nothing_of_what_was_delivered() -> None:
    answer = Client().get("/demo/receiver/")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/admin/login/")
