"""Kibana's webhook connectors (``.webhook``) as HTTP connectors.

Fields: https://www.elastic.co/docs/reference/kibana/connectors-kibana/webhook-action-type
"""

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from connectors.types.base import Adopted

# Kibana keeps the user name with the secrets, and so does not export it.
UNKNOWN_USER: Final = "enter-the-user-name"


def adopt_webhook(config: Mapping[str, Any]) -> Adopted:
    """Return the HTTP connector for a webhook's config. What cannot be read is left for the type's own checks."""
    adopted: dict[str, Any] = {
        "url": config.get("url", ""),
        "method": str(config.get("method") or "post").upper(),
        "headers": config.get("headers") or {},
    }
    if config.get("verificationMode"):
        adopted["verify"] = config["verificationMode"]
    if config.get("ca"):
        adopted["ca"] = _pem(config["ca"])
    if not config.get("hasAuth", True):
        return Adopted(adopted)
    match config.get("authType", "webhook-authentication-basic"):
        case "webhook-authentication-basic":
            adopted |= {"auth": "basic", "username": UNKNOWN_USER}
            return Adopted(
                adopted, ("password",), ("Kibana does not export the user name: enter it with the password.",)
            )
        case "webhook-oauth2-client-credentials":
            adopted |= {
                "auth": "oauth2",
                "token_url": config.get("accessTokenUrl") or "",
                "client_id": config.get("clientId") or "",
                "scope": config.get("scope") or "",
                "token_fields": _fields(config.get("additionalFields")),
            }
            return Adopted(adopted, ("client_secret",))
        case "webhook-authentication-ssl" if config.get("certType") == "ssl-pfx":
            return Adopted(adopted, ("client_pkcs12",))
        case "webhook-authentication-ssl":
            warning = "Kibana does not export the client certificate: enter it with its key, and enable the connector."
            return Adopted(adopted, ("client_key",), (warning,), usable=False)
        case _:
            return Adopted(adopted)


def _pem(text: object) -> str:
    try:
        return b64decode(str(text), validate=True).decode()
    except ValueError:
        return str(text)


def _fields(text: object) -> dict[str, Any]:
    try:
        found = json.loads(str(text or "{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
