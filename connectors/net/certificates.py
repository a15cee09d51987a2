"""Client certificates and keys in the forms that people have them, as plain PEM."""

import binascii
from base64 import b64decode
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)


@lru_cache(maxsize=64)  # deriving a key from a passphrase takes a tenth of a second on purpose
def read_key(pem: str, passphrase: str) -> str:
    """Return a private key as PEM without a passphrase; raise ValueError for a person."""
    try:
        key = load_pem_private_key(pem.encode(), passphrase.encode() or None)
    except TypeError:  # the one has a passphrase and the other does not
        if passphrase:
            return read_key(pem, "")
        raise ValueError("This key has a passphrase: enter that as well.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("This is not a private key in PEM, or its passphrase is another.") from None
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def sign_rs256(pem: str, passphrase: str, data: bytes) -> bytes:
    """Return the signature RS256 (RFC 7518, section 3.3) of ``data``; raise ValueError for a person."""
    key = load_pem_private_key(read_key(pem, passphrase).encode(), None)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("The private key is not one of RSA.")
    return key.sign(data, PKCS1v15(), SHA256())


@lru_cache(maxsize=64)
def read_pkcs12(text: str, passphrase: str) -> tuple[str, str]:
    """Return certificate with chain, and key, of a PKCS#12 file (RFC 7292) in base64, as PEM.

    Raise ValueError for a person.
    """
    try:
        data = b64decode("".join(text.split()), validate=True)
        key, certificate, chain = pkcs12.load_key_and_certificates(data, passphrase.encode() or None)
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("This is not a PKCS#12 file in base64, or its passphrase is another.") from None
    if key is None or certificate is None:
        raise ValueError("The PKCS#12 file lacks the key or the certificate.")
    pem = b"".join(each.public_bytes(Encoding.PEM) for each in (certificate, *chain))
    return pem.decode(), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
