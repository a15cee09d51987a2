"""Nobody gets mail whom the connector or the installation does not allow: neither when saved nor when sent."""

from typing import Any

import pytest
from pydantic import ValidationError
from pytest_django import Settings

from actions.services import create_action
from connectors.outcomes import Reason
from connectors.services.lifecycle import create_connector
from connectors.types.email.schemas import EmailConfig
from connectors.types.mailboxes import check_pattern, is_allowed, parse_mailbox
from spaces.errors import InvalidInput
from tests.connectors.types.email.mailing import connect, deliver
from tests.factories import make_space
from tests.mail_server import mail_server

MINE = ["example.com", "*.eu.example.com", "on-call@other.example", "team-*@third.example"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("anyone@example.com", True),
        ("Anyone@EXAMPLE.com", True),
        ("a@sub.example.com", False),
        ("a@x.eu.example.com", True),
        ("a@eu.example.com", False),
        ("on-call@other.example", True),
        ("ON-CALL@other.example", True),
        ("off-call@other.example", False),
        ("team-7@third.example", True),
        ("team@third.example", False),
        ("a@notexample.com", False),
        ("a@example.com.evil.example", False),
        ("example.com@evil.example", False),
    ],
)
def test_an_address_is_allowed_by_its_domain_or_as_a_whole(address: str, expected: bool) -> None:
    assert is_allowed(parse_mailbox(address), [check_pattern(pattern) for pattern in MINE]) is expected


def test_an_international_domain_is_allowed_however_it_is_written() -> None:
    assert is_allowed(parse_mailbox("a@bücher.example"), [check_pattern("xn--bcher-kva.example")])
    assert is_allowed(parse_mailbox("a@xn--bcher-kva.example"), [check_pattern("Bücher.example")])


@pytest.mark.parametrize("pattern", ["", "a b.example", "*@", "a@b@c", "*example.com", "<a@example.com>", "a@*x.com"])
def test_a_pattern_that_nobody_can_mean_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError):
        EmailConfig.model_validate({"host": "h.example", "from": "a@example.com", "allowed_recipients": [pattern]})


@pytest.mark.parametrize("field", ["to", "cc", "bcc"])
def test_a_recipient_that_the_connector_does_not_allow_gets_nothing(field: str) -> None:
    params: dict[str, Any] = {"to": ["ops@example.com"]} | {field: ["ops@example.com", "x@evil.example"]}
    with mail_server() as server:
        outcome = deliver(connect(server.port, allowed_recipients=["example.com"]), **params)
    assert outcome.reason is Reason.TEMPLATE_ERROR
    assert outcome.detail == f"{field}: x@evil.example is not among the recipients that this connector allows."
    assert not server.received


def test_a_recipient_that_the_installation_does_not_allow_gets_nothing(settings: Settings) -> None:
    settings.EMAIL_ALLOWED_RECIPIENTS = ["example.org"]
    with mail_server() as server:
        outcome = deliver(connect(server.port))
    assert "EMAIL_ALLOWED_RECIPIENTS" in outcome.detail
    assert not server.received


@pytest.mark.django_db
def test_an_action_for_others_is_refused_when_saved(settings: Settings) -> None:
    space = make_space()
    config = {"host": "mail.example", "from": "Alerts <a@example.com>", "allowed_recipients": ["*.example.com"]}
    connector = create_connector(space, type="email", name="Mail", config=config, secrets={})
    assert connector.config["from"] == "Alerts <a@example.com>"
    given: dict[str, Any] = {"subject": "s", "message": "m"}

    def save(**params: Any) -> list[str]:
        with pytest.raises(InvalidInput) as caught:
            create_action(space, connector=connector, name="Tell", params=given | params)
        return [error.pointer for error in caught.value.errors]

    assert save(to=["a@x.example.com", "b@evil.example"], cc=["c@evil.example"]) == ["/params/to/1", "/params/cc/0"]
    assert save() == ["/params/to"]
    # What a template yields is judged when it is sent.
    create_action(space, connector=connector, name="Tell", params=given | {"to": ["{{ event.data.owner }}"]})
    settings.EMAIL_ALLOWED_RECIPIENTS = ["y.example.com"]
    assert save(to=["a@x.example.com"]) == ["/params/to/0"]


@pytest.mark.parametrize(
    ("text", "spec", "name"),
    [
        ("a@example.com", "a@example.com", ""),
        (" Name <a@Example.COM> ", "a@example.com", "Name"),
        ('"Name, First" <a.b+c@example.com>', "a.b+c@example.com", "Name, First"),
        ("<a@example.com>", "a@example.com", ""),
        ("root@mailhost", "root@mailhost", ""),
    ],
)
def test_an_address_is_read_with_and_without_a_name(text: str, spec: str, name: str) -> None:
    found = parse_mailbox(text)
    assert (found.spec, found.name) == (spec, name)
