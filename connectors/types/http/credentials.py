"""What must not be seen of an HTTP connector."""

import binascii
from base64 import b64decode
from datetime import datetime
from typing import ClassVar, Final

from pydantic import Field, SecretStr, field_validator
from pydantic.json_schema import SkipJsonSchema

from connectors.net.headers import check_name, check_value
from connectors.types.tls_fields import TlsSecrets

_SIGNING_PREFIX: Final = "whsec_"
_SHORTEST_KEY: Final = 24  # bytes, as Standard Webhooks asks
_LONGEST_KEY: Final = 64


class HttpSecrets(TlsSecrets):
    """Secrets by field. Those in ``kept`` are written by Switchyard alone."""

    kept: ClassVar[frozenset[str]] = frozenset({"former_signing_secrets"})

    password: SecretStr | None = Field(None, title="Password", description="For basic authentication.", max_length=1024)
    token: SecretStr | None = Field(
        None, title="Bearer token", description="For bearer authentication.", max_length=8000
    )
    api_key: SecretStr | None = Field(
        None, title="API key", description="For authentication by API key.", max_length=8000
    )
    client_secret: SecretStr | None = Field(None, title="Client secret", description="For OAuth 2.", max_length=8000)
    headers: SecretStr | None = Field(
        None,
        title="Secret headers",
        description="One a line, as Name: value. Sent with every request.",
        max_length=16 * 1024,
    )
    signing_secret: SecretStr | None = Field(
        None,
        title="Signing secret",
        description="whsec_ and 24 to 64 bytes in base64. The receiver checks signatures with the same.",
        max_length=200,
    )
    former_signing_secrets: SkipJsonSchema[SecretStr | None] = Field(
        None, title="Former signing secrets", description="Each with the time until which it signs.", max_length=2000
    )
    proxy_password: SecretStr | None = Field(
        None, title="Password at the proxy", description="Needed where the proxy has a user name.", max_length=1024
    )

    @field_validator("token", "api_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_value("authorization", value.get_secret_value())
        return value

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, value: SecretStr | None) -> SecretStr | None:
        pairs = _pairs(value)
        for name, text in pairs:
            check_name(name)
            check_value(name, text)
        if len({name.lower() for name, _ in pairs}) < len(pairs):
            raise ValueError("A header stands here twice; names do not differ by upper and lower case.")
        return value

    @field_validator("signing_secret")
    @classmethod
    def _is_signing_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            decode_signing_secret(value.get_secret_value())
        return value

    def header_pairs(self) -> list[tuple[str, str]]:
        """Return the secret headers as names and values."""
        return _pairs(self.headers)

    def signing_keys(self, now: datetime) -> list[bytes]:
        """Return the keys that sign at ``now``, the current one first."""
        keys = [decode_signing_secret(_text(self.signing_secret))] if self.signing_secret else []
        return keys + [decode_signing_secret(text) for text, until in self.former_secrets() if until > now]

    def former_secrets(self) -> list[tuple[str, datetime]]:
        """Return the signing secrets that were replaced, and until when they sign along."""
        lines = [line.split(" ") for line in _text(self.former_signing_secrets).splitlines()]
        return [(secret, datetime.fromisoformat(until)) for secret, until in lines]

    def plaintexts(self) -> list[str]:
        """Every secret that is set, for masking; of texts with several in them, each."""
        found = [value for name, value in self._set() if name not in {"headers", "former_signing_secrets"}]
        found += [value for _, value in self.header_pairs()]
        found += [secret for secret, _ in self.former_secrets()]
        # A receiver may show a signing secret without what it begins with.
        return found + [text.removeprefix(_SIGNING_PREFIX) for text in found if text.startswith(_SIGNING_PREFIX)]

    def _set(self) -> list[tuple[str, str]]:
        return [(name, value.get_secret_value()) for name, value in self if isinstance(value, SecretStr) and value]


def decode_signing_secret(text: str) -> bytes:
    """Return the key in a signing secret; raise ValueError for a person."""
    try:
        key = b64decode(text.removeprefix(_SIGNING_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise ValueError(f"Write {_SIGNING_PREFIX} and {_SHORTEST_KEY} to {_LONGEST_KEY} random bytes in base64.")
    return key


def _text(value: SecretStr | None) -> str:
    return value.get_secret_value() if value else ""


def _pairs(value: SecretStr | None) -> list[tuple[str, str]]:
    lines = [line for line in _text(value).splitlines() if line.strip()]
    if any(":" not in line for line in lines):
        raise ValueError("Write each header on a line of its own, as Name: value.")
    return [(name.strip(), text.strip()) for name, _, text in (line.partition(":") for line in lines)]
