"""Secrets at rest: the only module that touches a cipher.

Values are encrypted with MultiFernet (AES-128-CBC and HMAC-SHA256, https://github.com/fernet/spec) under keys of
their own, never under SECRET_KEY: the first key of SECRETS_KEYS encrypts, all of them decrypt.
"""

import json
from collections.abc import Mapping
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from pydantic import SecretStr


class UndecryptableSecrets(Exception):
    """None of the keys in SECRETS_KEYS decrypts this value."""


class Sealed:
    """Encrypted secrets of one connector; opening them is an explicit act."""

    __slots__ = ("_token",)

    def __init__(self, token: bytes) -> None:
        self._token = token

    @classmethod
    def seal(cls, values: Mapping[str, SecretStr]) -> "Sealed":
        """Encrypt secrets by field name; no secrets at all are kept as nothing."""
        if not values:
            return cls(b"")
        cipher = _cipher(tuple(settings.SECRETS_KEYS))
        # Plaintext is never a local name: a traceback would show it.
        return cls(
            cipher.encrypt(json.dumps({name: each.get_secret_value() for name, each in values.items()}).encode())
        )

    @property
    def token(self) -> bytes:
        """The ciphertext."""
        return self._token

    def open(self) -> dict[str, SecretStr]:
        """Decrypt; raise UndecryptableSecrets when no key fits."""
        if not self._token:
            return {}
        cipher = _cipher(tuple(settings.SECRETS_KEYS))
        try:
            return {name: SecretStr(text) for name, text in json.loads(cipher.decrypt(self._token)).items()}
        except InvalidToken:
            raise UndecryptableSecrets(
                "No key in SECRETS_KEYS decrypts these secrets. Put the former key back, or enter the secrets again."
            ) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and self._token == other._token

    def __hash__(self) -> int:
        return hash(self._token)

    def __repr__(self) -> str:
        return "Sealed(<secret>)"


def generate_key() -> str:
    """Return a fresh key for SECRETS_KEYS: 32 random bytes in URL-safe base64."""
    return Fernet.generate_key().decode()


def check_key(key: str) -> None:
    """Raise ValueError unless ``key`` has the form of a key for SECRETS_KEYS."""
    Fernet(key)


@cache
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
