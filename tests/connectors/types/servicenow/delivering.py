"""Messages through a connection to an instance of ServiceNow."""

from typing import Any

from connectors.outcomes import Outcome
from connectors.steps import Step
from connectors.types.base import Connection, Message
from connectors.types.servicenow import connector_type
from connectors.types.servicenow.connector import ServiceNowConnectorType
from connectors.types.servicenow.schemas import ServiceNowConfig, ServiceNowParams, ServiceNowSecrets
from tests.connectors.types.servicenow.instance import CLIENT_SECRET, PASSWORD, USER
from tests.vendors import Vendor

BASIC = {"username": USER, "password": PASSWORD}
OAUTH = {"client_secret": CLIENT_SECRET}


def connect(
    running: Vendor, secrets: dict[str, str] | None = None, **config: Any
) -> Connection[ServiceNowConfig, ServiceNowSecrets]:
    settings = ServiceNowConfig.model_validate({"api_url": running.url, **config})
    # Without a row, access tokens are not kept.
    return Connection(None, 1, settings, ServiceNowSecrets.model_validate(secrets or BASIC))  # type: ignore[arg-type]


def deliver(running: Vendor, params: dict[str, Any], webhook_id: str = "msg_1") -> Outcome:
    return send(connector_type, connect(running), params, webhook_id)


def send(
    process: ServiceNowConnectorType,
    connection: Connection[ServiceNowConfig, ServiceNowSecrets],
    params: dict[str, Any],
    webhook_id: str = "msg_1",
) -> Outcome:
    message = Message(7, webhook_id, ServiceNowParams.model_validate({"short_description": "disk full", **params}))
    (outcome,) = process.deliver(connection, [message])
    return outcome


def probe(running: Vendor, secrets: dict[str, str] | None = None, **config: Any) -> list[Step]:
    return list(ServiceNowConnectorType().probe(connect(running, secrets, **config), timeout=5.0))
