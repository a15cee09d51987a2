"""Answers to requests with an ``Idempotency-Key``, kept so that the same request again is not carried out twice.

After the IETF's draft-ietf-httpapi-idempotency-key-header.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from spaces.models import IdempotentRequest

KEPT: Final = timedelta(hours=24)
LONGEST_ANSWER: Final = 256 * 1024  # characters
_FORGOTTEN_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What the first request was answered."""

    status: int
    headers: Mapping[str, str]
    body: str


class KeyReused(Exception):
    """The key came with another request before."""


class Unfinished(Exception):
    """The request with this key is being carried out, or broke off: whether it was carried out is not known."""


def begin(caller: str, key: str, fingerprint: str) -> StoredAnswer | None:
    """Return the answer to the request with this key; None where it is the first, which is noted.

    ``caller`` keeps the keys of different callers apart. Raises KeyReused or Unfinished.
    """
    for _ in range(2):
        try:
            with transaction.atomic():
                IdempotentRequest.objects.create(caller=caller, key=key, fingerprint=fingerprint)
        except IntegrityError:
            former = IdempotentRequest.objects.filter(caller=caller, key=key).first()
        else:
            return None
        if former is not None and former.created_at > timezone.now() - KEPT:
            return _answer_of(former, fingerprint)
        if former is not None:
            former.delete()
    raise Unfinished


def finish(caller: str, key: str, answer: StoredAnswer) -> None:
    """Keep the answer for a day, without a body that is too long.

    One that is no success leaves the key as if it had never come: the request may be mended and sent again.
    """
    noted = IdempotentRequest.objects.filter(caller=caller, key=key, status=None)
    if not 200 <= answer.status < 300:
        noted.delete()
        return
    body = answer.body if len(answer.body) <= LONGEST_ANSWER else ""
    noted.update(status=answer.status, headers=dict(answer.headers), body=body)


def forget_old() -> None:
    """Delete what is older than a day, some rows at a time."""
    while True:
        old = IdempotentRequest.objects.filter(created_at__lte=timezone.now() - KEPT).order_by("created_at")
        keys = list(old.values_list("pk", flat=True)[:_FORGOTTEN_AT_ONCE])
        IdempotentRequest.objects.filter(pk__in=keys).delete()
        if len(keys) < _FORGOTTEN_AT_ONCE:
            return


def _answer_of(former: IdempotentRequest, fingerprint: str) -> StoredAnswer:
    if former.fingerprint != fingerprint:
        raise KeyReused
    if former.status is None:
        raise Unfinished
    return StoredAnswer(former.status, former.headers, former.body)
