"""Kibana's ticketing and incident connectors are imported with all but their secrets.

Configs: https://www.elastic.co/docs/reference/kibana/connectors-kibana, "Opsgenie", "Jira Service Management", "Jira"
and "ServiceNow ITSM".
"""

from typing import Any

import pytest

from connectors.models import Connector
from connectors.types.pagerduty.schemas import DEFAULT_URL
from tests.connectors.transfer.test_kibana import bring, line
from tests.factories import make_space

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("kibana_id", "config", "type_id", "missing"),
    [
        (".pagerduty", {"apiUrl": None}, "pagerduty", ["routing_key"]),
        (".opsgenie", {"apiUrl": "https://api.opsgenie.com"}, "opsgenie", ["api_key"]),
        (
            ".jira-service-management",
            {"apiUrl": "https://api.atlassian.com"},
            "jira_service_management",
            ["api_key"],
        ),
        (
            ".jira",
            {"apiUrl": "https://example.atlassian.net", "projectKey": "OPS"},
            "jira",
            ["email", "api_token"],
        ),
        (
            ".servicenow",
            {
                "apiUrl": "https://example.service-now.com",
                "isOAuth": False,
                "usesTableApi": True,
                "userIdentifierValue": None,
                "clientId": None,
                "jwtKeyId": None,
            },
            "servicenow",
            ["username", "password"],
        ),
        (
            ".servicenow",
            {
                "apiUrl": "https://example.service-now.com",
                "isOAuth": True,
                "usesTableApi": True,
                "userIdentifierValue": "a@example.com",
                "clientId": "c",
                "jwtKeyId": "k",
            },
            "servicenow",
            ["client_secret", "private_key"],
        ),
    ],
)
def test_a_ticketing_connector_waits_for_its_secrets(
    kibana_id: str, config: dict[str, Any], type_id: str, missing: list[str]
) -> None:
    space = make_space()
    (found,) = bring(space, line(config, kibana_id)).objects
    assert sorted(found.missing_secrets) == sorted(missing)
    row = Connector.objects.get(space=space)
    assert (row.type, row.config["api_url"], row.is_missing_secrets) == (
        type_id,
        config["apiUrl"] or DEFAULT_URL,
        True,
    )
