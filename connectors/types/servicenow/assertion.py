"""The JWT that a client shows to ServiceNow in a user's name.

Sources: RFC 7519, RFC 7523 (section 3) and RFC 7518 (section 3.3); ServiceNow, "OAuth JWT API endpoint"; the claims are
those of Kibana's connector.
"""

import json
import time
from base64 import urlsafe_b64encode
from typing import Any, Final

from pydantic import SecretStr

from connectors.net.certificates import sign_rs256
from connectors.net.exchange import Failure
from connectors.outcomes import Reason
from connectors.types.oauth2 import NoToken
from connectors.types.servicenow.schemas import ServiceNowConfig, ServiceNowSecrets

_LASTS: Final = 3600  # seconds


def sign_assertion(config: ServiceNowConfig, secrets: ServiceNowSecrets) -> str:
    """Return a JWT that is good for an hour; raise NoToken when the key is none of RSA."""
    now = int(time.time())
    claims = {
        "aud": config.client_id,
        "iss": config.client_id,
        "sub": config.user_identifier_value,
        "iat": now,
        "exp": now + _LASTS,
    }
    signed = f"{_part({'alg': 'RS256', 'typ': 'JWT', 'kid': config.jwt_key_id})}.{_part(claims)}"
    try:
        signature = sign_rs256(_text(secrets.private_key), _text(secrets.private_key_password), signed.encode())
    except ValueError as error:
        raise NoToken(Failure(Reason.BAD_CONFIG, str(error))) from None
    return f"{signed}.{_encode(signature)}"


def _part(value: dict[str, Any]) -> str:
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
