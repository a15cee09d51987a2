"""What a person fills in about TLS, the same for every type that speaks over it."""

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from connectors.net.certificates import read_key, read_pkcs12
from connectors.net.terms import Overrides
from connectors.net.tls import check_certificates
from connectors.types.base import Config, Secrets
from connectors.types.http_fields import ADVANCED, MAX_PEM, PEM, Verify


class TrustConfig(Config):
    """Whom to trust."""

    verify: Verify = Field(
        "default",
        title="TLS verification",
        description=(
            "default: as the installation has it. full: certificate and host name. certificate: not the host name. "
            "none: nothing, for tests only."
        ),
        json_schema_extra=ADVANCED,
    )
    ca: str = Field(
        "",
        title="Certificate authorities",
        description="PEM. Trusted in place of those of the installation.",
        max_length=MAX_PEM,
        json_schema_extra=PEM | ADVANCED,
    )

    @field_validator("ca")
    @classmethod
    def _has_authorities(cls, value: str) -> str:
        return _certificates(value)


class TlsConfig(TrustConfig):
    """Whom to trust, and the certificate to show."""

    client_cert: str = Field(
        "",
        title="Client certificate",
        description="PEM, with its chain. Its key is a secret.",
        max_length=MAX_PEM,
        json_schema_extra=PEM | ADVANCED,
    )

    @field_validator("client_cert")
    @classmethod
    def _has_certificates(cls, value: str) -> str:
        return _certificates(value)


class TlsSecrets(Secrets):
    """The key to that certificate."""

    client_passphrase: SecretStr | None = Field(
        None,
        title="Passphrase of the client certificate",
        description="Opens the key, or the PKCS#12 file.",
        max_length=1024,
        json_schema_extra=ADVANCED,
    )
    client_key: SecretStr | None = Field(
        None,
        title="Key of the client certificate",
        description="PEM.",
        max_length=MAX_PEM,
        json_schema_extra=PEM | ADVANCED,
    )
    client_pkcs12: SecretStr | None = Field(
        None,
        title="Client certificate as PKCS#12",
        description="A .p12 or .pfx file in base64, certificate and key together; in place of the two in PEM.",
        max_length=MAX_PEM,
        json_schema_extra=ADVANCED,
    )

    @field_validator("client_key")
    @classmethod
    def _is_key(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and value.get_secret_value():
            read_key(value.get_secret_value(), _text(info.data.get("client_passphrase")))
        return value

    @field_validator("client_pkcs12")
    @classmethod
    def _is_pkcs12(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and value.get_secret_value():
            read_pkcs12(value.get_secret_value(), _text(info.data.get("client_passphrase")))
        return value

    def client_pair(self, certificate: str) -> tuple[str, str] | None:
        """Return certificate and key to show, both PEM and the key plain; None for no certificate."""
        passphrase = _text(self.client_passphrase)
        if certificate:
            return certificate, read_key(_text(self.client_key), passphrase) if self.client_key else ""
        return read_pkcs12(_text(self.client_pkcs12), passphrase) if self.client_pkcs12 else None


def tls_overrides(config: TlsConfig, secrets: TlsSecrets, timeout: float) -> Overrides:
    """Return what the connector says in place of the installation's terms."""
    return Overrides(
        verify=None if config.verify == "default" else config.verify,
        ca=config.ca or None,
        client=secrets.client_pair(config.client_cert),
        timeout=timeout,
    )


def _certificates(value: str) -> str:
    if "PRIVATE KEY" in value:
        raise ValueError("Take out the private key: it is a secret.")
    if value:
        check_certificates(value)
    return value


def _text(value: SecretStr | None) -> str:
    return value.get_secret_value() if value else ""
