"""Public ids: the names that people, URLs, exports and the API use for an object."""

import re
import secrets

from django.core.exceptions import ValidationError

MAX_LENGTH = 64
_PATTERN = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
# No vowels and no look-alikes: generated ids spell no words and can be read aloud.
_ALPHABET = "23456789bcdfghjkmnpqrstvwxz"


def validate_public_id(value: str) -> None:
    """Raise ValidationError unless ``value`` is a public id: 1-64 of a-z, 0-9, ``-``, ``_``, no sign at its ends."""
    if not _PATTERN.fullmatch(value):
        raise ValidationError(
            "Use 1 to 64 lower-case letters, digits, hyphens and underscores; begin and end with a letter or digit.",
            code="invalid_public_id",
        )


def generate_public_id(prefix: str) -> str:
    """Return a fresh id such as ``con-7k2m9x4q8d``; 47 random bits."""
    return f"{prefix}-{''.join(secrets.choice(_ALPHABET) for _ in range(10))}"
