"""TLS settings of a connection."""

import ssl
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import certifi

Verify = Literal["full", "certificate", "none"]


@dataclass(frozen=True, slots=True)
class Tls:
    """How to trust and be trusted; certificates and keys are PEM.

    ``verify``: "full" checks the certificate and its host name, "certificate" leaves the name out, "none" checks
    nothing. Without ``ca`` the system's certificate authorities are trusted.
    """

    verify: Verify = "full"
    ca: str = ""
    client_cert: str = ""
    client_key: str = field(default="", repr=False)


@cache
def ca_bundle() -> str:
    """Return the path of the certificate authorities to trust: the system's, else those of Mozilla (certifi)."""
    return ssl.get_default_verify_paths().cafile or certifi.where()


def check_certificates(pem: str) -> None:
    """Raise ValueError unless ``pem`` holds certificates that can be read."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError, TypeError):
        raise ValueError(
            "This is not a certificate in PEM: it begins with -----BEGIN CERTIFICATE----- and is complete."
        ) from None
