"""Takes secrets out of texts that are stored or shown."""

import html
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "<secret>"
SHORTEST: Final = 4  # characters of a secret that is masked in texts


class Masker:
    """Masks a set of secrets, as they are and as JSON, URL, HTML and base64 write them.

    One of less than SHORTEST characters is left in texts: it stands in most of them by chance, and masks all over a
    text would both garble it and tell the secret.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
        self._forms = sorted(forms, key=len, reverse=True)

    def mask(self, text: str, *, is_cut: bool = False) -> str:
        """Return ``text`` with every secret masked; of a text that was cut, its end is dropped if it begins one."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return self._without_beginning(text) if is_cut else text

    def _without_beginning(self, text: str) -> str:
        longest = max((_overlap(text, form) for form in self._forms), default=0)
        return text[: len(text) - longest]

    def __repr__(self) -> str:
        return f"Masker({len(self._forms)} forms)"


def _forms(secret: str) -> set[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(raw, safe=""),
        quote_plus(raw),
        html.escape(secret),
        b64encode(raw).decode().rstrip("="),
        urlsafe_b64encode(raw).decode().rstrip("="),
    }


def _overlap(text: str, form: str) -> int:
    """Return how many characters at the end of ``text`` are the beginning of ``form``."""
    return next((n for n in range(min(len(form) - 1, len(text)), 0, -1) if text.endswith(form[:n])), 0)
