"""Messages sent by hand from the console."""

import html
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from actions.models import EventLogEntry
from connectors.models import Connector
from spaces.models import AuditEntry, Space
from tests.admin.conftest import HOSTILE, make_connector, make_member
from tests.admin.samples import CANARY, make_preconfigured, url
from tests.factories import make_connector as make_hook
from tests.factories import space_of
from tests.receiver import Receiver, receiver

pytestmark = pytest.mark.usefixtures("sample_type")

EXECUTE = "admin:actions_action_execute"


@pytest.fixture
def to() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def hook(space: Space, to: Receiver) -> Connector:
    return make_hook(space, to.url, public_id="desk", auth="bearer", secrets={"token": CANARY})


def page(connector: Connector) -> str:
    return reverse(EXECUTE, args=[connector.pk])


def written(**fields: Any) -> dict[str, Any]:
    return {"params_method": "POST", "params_body": '{"site": "{{ event.data.site }}"}', "event": "", **fields}


def errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return {name: list(details) for name, details in answer.context["form"].errors.items()}


def test_the_connectors_page_leads_to_a_form_of_what_its_type_sends(console: Client, hook: Connector) -> None:
    leads = reverse("admin:connectors_connector_execute", args=[hook.pk])
    assert leads in console.get(url(hook)).content.decode()
    answer = console.get(leads, follow=True)
    assert answer.redirect_chain == [(page(hook), 302)]
    text = answer.content.decode()
    for name in ("params_path", "params_method", "params_body", "event"):
        assert f'name="{name}"' in text


def test_a_message_is_sent_and_everything_of_it_is_shown(console: Client, hook: Connector, to: Receiver) -> None:
    answer = console.post(page(hook), written(event='{"data": {"site": "north"}}'))
    (request,) = to.wait_for(1)
    assert request.body == b'{"site":"north"}'
    text = html.unescape(answer.content.decode())
    for shown in (
        "success",
        "ok",
        " ms",
        request.headers["webhook-id"],
        "north",
        "Request",
        "Response",
        '"status": 200',
    ):
        assert shown in text
    assert CANARY not in text
    assert EventLogEntry.objects.get(action="execute").connector_id == "desk"
    assert AuditEntry.objects.filter(action="connector.execute", actor="admin").exists()


def test_a_refusal_of_the_system_is_shown_as_it_came(console: Client, hook: Connector, to: Receiver) -> None:
    to.status = 500
    text = console.post(page(hook), written(event='{"data": {"site": "x"}}')).content.decode()
    for shown in ("failure", "retry_http_5xx", "500"):
        assert shown in text


def test_a_template_that_finds_nothing_is_an_outcome(console: Client, hook: Connector, to: Receiver) -> None:
    text = console.post(page(hook), written(event="{}")).content.decode()
    assert "template_error" in text
    assert to.requests == []


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"event": "{"}, "event"),
        ({"event": "[1]"}, "event"),
        ({"event": '{"a": 1, "a": 2}'}, "event"),
        ({"event": '{"a": "\\u0000"}'}, "event"),
        ({"event": '{"a": 1e999}'}, "event"),
        ({"event": '{"a": %s}' % ("9" * 30)}, "event"),
        ({"event": "[" * 5000}, "event"),
        ({"params_method": "FETCH"}, "params_method"),
        ({"params_body": "{{ event."}, "params_body"),
        ({"params_path": "a\x00b"}, "params_path"),
    ],
)
def test_what_is_wrong_stands_on_its_field_and_nothing_is_sent(
    console: Client, hook: Connector, to: Receiver, fields: dict[str, str], wrong: str
) -> None:
    answer = console.post(page(hook), written(**fields))
    assert list(errors(answer)) == [wrong]
    assert to.requests == []


def test_what_was_written_stays_in_the_form(console: Client, hook: Connector) -> None:
    text = console.post(page(hook), written(event='{"kept": 1', params_path="/kept")).content.decode()
    assert "{&quot;kept&quot;: 1" in text
    assert 'value="/kept"' in text


def test_a_disabled_connector_sends_nothing(console: Client, space: Space, to: Receiver) -> None:
    hook = make_hook(space, to.url, enabled=False)
    assert "is disabled" in errors(console.post(page(hook), written()))["__all__"][0]
    assert to.requests == []


def test_through_a_preconfigured_connector_a_message_is_sent_for_a_space(
    console: Client, space: Space, other_space: Space, to: Receiver
) -> None:
    shared = make_preconfigured()
    Connector.objects.filter(pk=shared.pk).update(type="http", config={"url": to.url})
    assert 'name="space"' in console.get(page(shared)).content.decode()
    assert list(errors(console.post(page(shared), written(params_body="{}")))) == ["space"]
    assert not errors(console.post(page(shared), written(params_body="{}", space=other_space.pk)))
    to.wait_for(1)
    assert EventLogEntry.objects.get(action="execute").space == other_space
    make_connector(space, public_id="shared")
    assert list(errors(console.post(page(shared), written(params_body="{}", space=space.pk)))) == ["space"]


def test_a_connector_without_its_type_sends_nothing(console: Client, space: Space) -> None:
    lost = make_connector(space, type="gone")
    for answer in (console.get(page(lost)), console.post(page(lost), written())):
        assert "gone" in errors(answer)["__all__"][0]


def test_what_comes_back_stays_text(console: Client, space: Space, to: Receiver) -> None:
    to.status, to.answer_headers = 400, {"X-Hostile": "<script>alert(1)</script>"}
    hook = make_hook(space, to.url, name=HOSTILE)
    event = json.dumps({"data": {"x": HOSTILE}})
    answer = console.post(page(hook), written(params_body='{"x": "{{ event.data.x }}"}', event=event))
    text = answer.content.decode()
    assert len(to.requests) == 1
    assert "alert(1)" in text
    assert "<script>alert" not in text
    assert "<img src=x" not in text


def test_one_that_does_not_exist_is_not_found(console: Client, space: Space) -> None:
    assert console.get(reverse(EXECUTE, args=[999])).status_code == 404
    leads = reverse("admin:connectors_connector_execute", args=["x"])
    assert console.get(leads).status_code == 302


def test_who_may_not_operate_sends_nothing(client: Client, hook: Connector, to: Receiver) -> None:
    client.force_login(make_member(space_of(hook), "viewer"))
    assert page(hook) not in client.get(url(hook)).content.decode()
    leads = reverse("admin:connectors_connector_execute", args=[hook.pk])
    answers = [client.get(leads), client.get(page(hook)), client.post(page(hook), written())]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert to.requests == []


def test_messages_are_sent_with_a_token_only(admin: User, hook: Connector, to: Receiver) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin)
    assert strict.post(page(hook), written()).status_code == 403
    assert to.requests == []
