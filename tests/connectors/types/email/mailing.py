"""What the tests of email share: connections, and one message sent or refused."""

from typing import Any

import trustme

from connectors.outcomes import Outcome
from connectors.types.base import Connection, Message
from connectors.types.email import connector_type
from connectors.types.email.schemas import EmailConfig, EmailParams, EmailSecrets

AUTHORITY = trustme.CA()
CA = AUTHORITY.cert_pem.bytes().decode()
WEBHOOK_ID = "0d9f6a1e-7f3c-4f61-9d6c-0a3b1f5e8c11"


def connect(port: int, password: str = "", **config: Any) -> Connection[EmailConfig, EmailSecrets]:
    settings = {"host": "127.0.0.1", "port": port, "security": "none", "from": "Alerts <alerts@example.com>", **config}
    secrets = {"password": password} if password else {}
    return Connection(1, 1, EmailConfig.model_validate(settings), EmailSecrets.model_validate(secrets))


def message(key: int = 7, **params: Any) -> Message[EmailParams]:
    given = {"to": ["ops@example.com"], "subject": "Disk full", "message": "Disk **7** is full.", **params}
    return Message(key, WEBHOOK_ID, EmailParams.model_validate(given))


def deliver(connection: Connection[EmailConfig, EmailSecrets], **params: Any) -> Outcome:
    (outcome,) = connector_type.deliver(connection, [message(**params)])
    return outcome
