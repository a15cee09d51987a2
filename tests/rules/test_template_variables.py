"""Templates see the same variables wherever a message is rendered, and their links lead to the console's pages."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from actions.models import Delivery
from actions.services.execute import execute
from actions.templating import VARIABLES
from rules.evaluation.rounds import evaluate_round
from rules.models import Alert
from rules.scheduling.running import run_rule
from rules.services.accept import accept_events
from rules.types.base import Finding
from spaces.models import Space
from tests.factories import make_action, make_connector, make_rule
from tests.receiver import Receiver
from tests.rules.running import incoming
from tests.rules.scheduled import claim, make_scheduled

pytestmark = pytest.mark.django_db(transaction=True)

ALL = {"body": {name: f"{{{{ {name} }}}}" for name in VARIABLES}}


@pytest.fixture(autouse=True)
def public_url(settings: Settings) -> str:
    settings.PUBLIC_URL = "https://hub.example.com/switchyard"
    return "https://hub.example.com/switchyard"


def rendered(**about: Any) -> dict[str, Any]:
    """Return what the one delivery with these says."""
    body: dict[str, Any] = Delivery.objects.get(**about).message["body"]
    return body


def shape(body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of each variable; the event, and what is null at times, apart."""
    always = {name: value for name, value in body.items() if name not in ("event", "failure", "alert")}
    return {name: sorted(value) if isinstance(value, dict) else type(value) for name, value in always.items()}


def test_all_that_renders_gives_the_same_variables(space: Space, to: Receiver, sample: Any) -> None:
    connector = make_connector(space, url=to.url)
    tell = make_action(connector, params=ALL)
    failing = make_action(connector, params={"body": "{{ event.data.missing }}"}, fallback=tell)
    rule = make_rule(space, params={"event_types": ["a"]}, actions=[tell], tags=["orders"])
    make_rule(space, params={"event_types": ["b"]}, actions=[failing])
    accept_events(space.pk, [incoming(type_="a"), incoming(type_="b")])
    evaluate_round()
    sample.find(Finding("boiler", "high"))
    scheduled = make_scheduled(space, actions=[tell])
    run_rule(claim(scheduled))

    by_event = rendered(action=tell, rule_id=rule.public_id)
    by_fallback = rendered(action=tell, fallbacks=1)
    by_alert = rendered(action=tell, rule_id=scheduled.public_id)
    by_hand = dict(execute(space, connector, ALL).message)["body"]
    assert shape(by_event) == shape(by_fallback) == shape(by_alert) == shape(by_hand)

    assert by_event["rule"] == {
        "id": rule.public_id,
        "name": rule.name,
        "type": "event",
        "tags": ["orders"],
        "url": f"https://hub.example.com/switchyard/admin/rules/rule/{rule.pk}/change/",
    }
    assert by_event["connector"] == {"id": connector.public_id, "name": connector.name, "type": "http"}
    assert (by_event["failure"], by_event["alert"]) == (None, None)
    assert sorted(by_alert["alert"]) == sorted(by_hand["alert"])
    assert sorted(by_fallback["failure"]) == sorted(by_hand["failure"])


def test_the_links_lead_to_the_pages(space: Space, sample: Any, admin_client: Client, public_url: str) -> None:
    tell = make_action(make_connector(space), params=ALL)
    sample.find(Finding("boiler", "high"))
    run_rule(claim(make_scheduled(space, actions=[tell])))
    body = rendered(action=tell)
    alert = Alert.objects.get()
    for url, word in (
        (body["rule"]["url"], body["rule"]["name"]),
        (body["console"]["event_url"], body["event"]["id"]),
        (body["alert"]["url"], f"alert/{alert.pk}/"),
        (body["console"]["url"], ""),
    ):
        assert url.startswith(public_url)
        page = admin_client.get(url.removeprefix(public_url) or "/", follow=True)
        assert page.status_code == 200
        assert word in page.content.decode()


def test_without_an_address_of_the_console_there_are_no_links(space: Space, sample: Any, settings: Settings) -> None:
    settings.PUBLIC_URL = ""
    tell = make_action(make_connector(space), params=ALL)
    sample.find(Finding("boiler", "high"))
    run_rule(claim(make_scheduled(space, actions=[tell])))
    body = rendered(action=tell)
    assert body["rule"]["url"] == body["alert"]["url"] == ""
    assert body["console"] == {"url": "", "event_url": ""}
