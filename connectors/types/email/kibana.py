"""Kibana's email connectors (``.email``) as email connectors.

Fields and services: https://www.elastic.co/docs/reference/kibana/connectors-kibana/email-action-type. Hosts and ports
of the services: the documentation of Nodemailer, with which Kibana sends ("Well-known services").
"""

from collections.abc import Mapping
from typing import Any, Final

from connectors.types.base import Adopted

# Kibana keeps the user name with the secrets, and so does not export it.
UNKNOWN_USER: Final = "enter-the-user-name"
_TLS_PORT: Final = 465
_STARTTLS_PORT: Final = 587
# Services that have one address, by Kibana's and Nodemailer's names in lower case.
SERVICES: Final[dict[str, tuple[str, int]]] = {
    "gmail": ("smtp.gmail.com", _TLS_PORT),
    "outlook365": ("smtp.office365.com", _STARTTLS_PORT),
    "hotmail": ("smtp-mail.outlook.com", _STARTTLS_PORT),
    "ses": ("email-smtp.us-east-1.amazonaws.com", _TLS_PORT),
    "yahoo": ("smtp.mail.yahoo.com", _TLS_PORT),
    "icloud": ("smtp.mail.me.com", _STARTTLS_PORT),
    "fastmail": ("smtp.fastmail.com", _TLS_PORT),
    "gmx": ("mail.gmx.com", _STARTTLS_PORT),
    "zoho": ("smtp.zoho.com", _TLS_PORT),
    "proton": ("smtp.protonmail.ch", _STARTTLS_PORT),
    "sendgrid": ("smtp.sendgrid.net", _STARTTLS_PORT),
    "mailgun": ("smtp.mailgun.org", _TLS_PORT),
    "mailjet": ("in.mailjet.com", _STARTTLS_PORT),
    "mandrill": ("smtp.mandrillapp.com", _STARTTLS_PORT),
    "postmark": ("smtp.postmarkapp.com", _STARTTLS_PORT),
    "sparkpost": ("smtp.sparkpostmail.com", _STARTTLS_PORT),
    "sendinblue": ("smtp-relay.brevo.com", _STARTTLS_PORT),
    "resend": ("smtp.resend.com", _TLS_PORT),
}
_EXCHANGE: Final = (
    "Kibana sends this one through Microsoft Graph with OAuth. Here it needs an SMTP server: enter the user name and "
    "the password of a mailbox that may use smtp.office365.com, or another host, and enable the connector."
)
_ELASTIC_CLOUD: Final = (
    "Kibana sends this one through Elastic Cloud's own server, which nobody else reaches: enter a host, and enable the "
    "connector."
)
_UNKNOWN_SERVICE: Final = "The address of this service is not known here: enter its host, and enable the connector."
_NO_HOST: Final = "smtp.example.invalid"


def adopt_email(config: Mapping[str, Any]) -> Adopted:
    """Return the email connector for Kibana's config. What cannot be read is left for the type's own checks."""
    service = str(config.get("service") or "other").lower()
    adopted: dict[str, Any] = {"from": config.get("from") or ""}
    warnings: list[str] = []
    usable = True
    if service == "exchange_server":
        adopted |= {"host": SERVICES["outlook365"][0], "port": _STARTTLS_PORT, "security": "starttls"}
        warnings.append(_EXCHANGE)
        usable = False
    elif service == "elastic_cloud" or (service not in SERVICES and not config.get("host")):
        adopted |= {"host": _NO_HOST, "port": _STARTTLS_PORT, "security": "starttls"}
        warnings.append(_ELASTIC_CLOUD if service == "elastic_cloud" else _UNKNOWN_SERVICE)
        usable = False
    elif config.get("host"):
        adopted |= {"host": config["host"], "port": config.get("port") or 25, **_encryption(config, warnings)}
    else:
        host, port = SERVICES[service]
        adopted |= {"host": host, "port": port, "security": "tls" if port == _TLS_PORT else "starttls"}
    if not config.get("hasAuth", True):
        return Adopted(adopted, (), tuple(warnings), usable)
    warnings.append("Kibana does not export the user name: enter it with the password.")
    return Adopted(adopted | {"username": UNKNOWN_USER}, ("password",), tuple(warnings), usable)


def _encryption(config: Mapping[str, Any], warnings: list[str]) -> dict[str, str]:
    if config.get("secure"):
        return {"security": "tls"}
    warnings.append(
        "Kibana encrypts if the server offers STARTTLS, and does without if not. Here it is required: where the server "
        "has none, choose the encryption none."
    )
    return {"security": "starttls"}
