"""Kibana's email connectors become email connectors, and what cannot be used says why.

Source: elastic.co, "Email connector and action": services, host, port, secure, hasAuth.
"""

from typing import Any

import pytest

from connectors.types.email import connector_type
from connectors.types.email.schemas import EmailConfig

FROM = "kibana@example.com"


def adopt(**config: Any) -> Any:
    adopted = connector_type.adopt({"from": FROM, "hasAuth": True, **config})
    EmailConfig.model_validate(adopted.config)  # the type's own checks pass, usable or not
    return adopted


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"service": "gmail"}, ("smtp.gmail.com", 465, "tls")),
        ({"service": "outlook365"}, ("smtp.office365.com", 587, "starttls")),
        ({"service": "ses"}, ("email-smtp.us-east-1.amazonaws.com", 465, "tls")),
        (
            {"service": "ses", "host": "email-smtp.eu-west-1.amazonaws.com", "port": 465, "secure": True},
            ("email-smtp.eu-west-1.amazonaws.com", 465, "tls"),
        ),
        ({"service": "SendGrid"}, ("smtp.sendgrid.net", 587, "starttls")),
        (
            {"service": "other", "host": "mail.example.com", "port": 2525, "secure": True},
            ("mail.example.com", 2525, "tls"),
        ),
        (
            {"service": "other", "host": "mail.example.com", "port": 25, "secure": False},
            ("mail.example.com", 25, "starttls"),
        ),
        ({"host": "mail.example.com", "port": 587}, ("mail.example.com", 587, "starttls")),
    ],
)
def test_a_service_leads_where_kibana_sends(config: dict[str, Any], place: tuple[str, int, str]) -> None:
    adopted = adopt(**config)
    assert (adopted.config["host"], adopted.config["port"], adopted.config["security"]) == place
    assert adopted.config["from"] == FROM
    assert adopted.usable
    assert adopted.awaited == ("password",)
    assert "user name" in adopted.warnings[-1]


def test_a_relay_that_asks_for_no_sign_in_waits_for_nothing() -> None:
    adopted = adopt(host="relay.example.com", port=25, secure=False, hasAuth=False)
    assert (adopted.awaited, adopted.usable) == ((), True)
    assert "username" not in adopted.config
    assert "STARTTLS" in adopted.warnings[0]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"service": "exchange_server", "tenantId": "t", "clientId": "c"}, "Microsoft Graph"),
        ({"service": "elastic_cloud", "host": "dockerhost", "port": 10025, "hasAuth": False}, "Elastic Cloud"),
        ({"service": "nobody-knows"}, "not known"),
    ],
)
def test_what_cannot_be_used_here_is_imported_disabled_and_says_why(config: dict[str, Any], said: str) -> None:
    adopted = adopt(**config)
    assert not adopted.usable
    assert said in adopted.warnings[0]
