"""Secrets at rest: the only module that touches a cipher.

Values are encrypted with Fernet (AES-128-CBC and HMAC-SHA256, https://github.com/fernet/spec) under keys of their own,
never under SECRET_KEY: the first key of SECRETS_KEYS encrypts, all of them decrypt. The ciphertext begins with the id
of its key, so that a value says which key it needs.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from pydantic import SecretStr


class UndecryptableSecrets(Exception):
    """None of the keys in SECRETS_KEYS decrypts this value."""


KEY_ID_LENGTH = 8  # hexadecimal digits
_MARK = b":"  # between the key's id and Fernet's token, whose alphabet lacks it


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
        mark, cipher = _newest()
        # Plaintext is never a local name: a traceback would show it.
        return cls(
            mark + cipher.encrypt(json.dumps({name: each.get_secret_value() for name, each in values.items()}).encode())
        )

    @property
    def token(self) -> bytes:
        """The ciphertext."""
        return self._token

    @property
    def key_id(self) -> str:
        """The id of the key that encrypted it; empty for no secrets, and for what was written before keys had ids."""
        return self._token.partition(_MARK)[0].decode("ascii", "replace") if _MARK in self._token else ""

    @property
    def is_current(self) -> bool:
        """Whether it is encrypted under the key that encrypts now."""
        return not self._token or self._token.startswith(_newest()[0])

    @property
    def is_readable(self) -> bool:
        """Whether a key in SECRETS_KEYS decrypts it."""
        try:
            self.open()
        except UndecryptableSecrets:
            return False
        return True

    def open(self) -> dict[str, SecretStr]:
        """Decrypt; raise UndecryptableSecrets when no key fits."""
        if not self._token:
            return {}
        cipher = self._cipher()
        try:
            return {name: SecretStr(text) for name, text in json.loads(cipher.decrypt(self._bare)).items()}
        except InvalidToken:
            raise self._undecryptable() from None

    def renewed(self) -> "Sealed":
        """Return the same secrets encrypted anew, under the key that encrypts now; raise UndecryptableSecrets."""
        mark, cipher = _newest()
        former = self._cipher()
        try:
            return Sealed(mark + cipher.encrypt(former.decrypt(self._bare)))
        except InvalidToken:
            raise self._undecryptable() from None

    @property
    def _bare(self) -> bytes:
        return self._token.rpartition(_MARK)[2]

    def _cipher(self) -> Fernet | MultiFernet:
        """Return what decrypts the token."""
        ring = _ring(tuple(settings.SECRETS_KEYS))
        if not self.key_id:
            return MultiFernet(ring.values())
        if self.key_id not in ring:
            raise UndecryptableSecrets(
                f"The key {self.key_id}, under which these secrets are encrypted, is not in SECRETS_KEYS. Put it back, "
                "or enter the secrets again."
            )
        return ring[self.key_id]

    def _undecryptable(self) -> UndecryptableSecrets:
        if self.key_id:
            return UndecryptableSecrets(
                f"These secrets are damaged: their key {self.key_id} does not decrypt them. Enter the secrets again."
            )
        return UndecryptableSecrets(
            "No key in SECRETS_KEYS decrypts these secrets. Put the former key back, or enter the secrets again."
        )

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


def key_id(key: str) -> str:
    """Return the id of a key: 8 hexadecimal digits of its SHA-256, which tell nothing of the key.

    The same key has the same id in base64's usual alphabet and in the one for URLs.
    """
    return sha256(urlsafe_b64encode(urlsafe_b64decode(key))).hexdigest()[:KEY_ID_LENGTH]


def held_key_ids() -> tuple[str, ...]:
    """Return the ids of the keys in SECRETS_KEYS, the newest first."""
    return tuple(_ring(tuple(settings.SECRETS_KEYS)))


def _newest() -> tuple[bytes, Fernet]:
    """Return what ciphertext begins with now, and what encrypts it."""
    name, cipher = next(iter(_ring(tuple(settings.SECRETS_KEYS)).items()))
    return name.encode() + _MARK, cipher


@cache
def _ring(keys: tuple[str, ...]) -> dict[str, Fernet]:
    """Return the ciphers by their keys' ids, the newest first."""
    ciphers = [Fernet(key) for key in keys]
    return {key_id(key): cipher for key, cipher in zip(keys, ciphers, strict=True)}
