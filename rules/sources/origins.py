"""The hop of an event from outside: deliveries carry it, and what they lead to counts on, which ends loops."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from rules.incoming import HOP_ATTRIBUTE, MAX_HOPS, IncomingEvent, Origin
from spaces.validation import reject

HOP_HEADER: Final = "HTTP_SWITCHYARD_HOP"  # in a WSGI environment
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def origin_in_headers(environ: Mapping[str, Any]) -> Origin:
    """Return the origin that the headers of a delivery tell, its ``webhook-id`` as the cause; raise InvalidInput."""
    return origin_of_delivery(environ[HOP_HEADER], environ.get("HTTP_WEBHOOK_ID", ""))


def origin_of_delivery(digits: str, webhook_id: str) -> Origin:
    """Return the origin that these two headers of a delivery tell; raise InvalidInput."""
    if not _is_hop(digits):
        raise reject("", "The header Switchyard-Hop must be a whole number. Pass it on as it came, or leave it out.")
    return Origin(_hop(digits), f"deliveries/{webhook_id}" if _UUID.fullmatch(webhook_id) else "")


def hop_of_refused(environ: Mapping[str, Any]) -> int:
    """Return the hop in the headers of a request that was refused, 0 where there is none that can be read."""
    digits = environ.get(HOP_HEADER, "")
    return _hop(digits) if _is_hop(digits) else 0


def origin_in_envelope(value: object) -> Origin:
    """Return the origin of an event whose envelope has the hop of the event before; raise InvalidInput."""
    # In the binary mode every attribute is text.
    if type(value) not in (int, str) or not _is_hop(str(value)):
        raise reject(f"/{HOP_ATTRIBUTE}", "This must be a whole number: how many deliveries led to the event.")
    return Origin(min(_hop(str(value)), MAX_HOPS) + 1)


def with_origin(event: IncomingEvent, origin: Origin) -> IncomingEvent:
    """Return the event with this origin, and with the greater hop where its envelope has one too."""
    hop = max(origin.hop, event.origin.hop if event.origin else 0)
    return replace(event, origin=replace(origin, hop=hop))


def _is_hop(digits: str) -> bool:
    return digits.isascii() and digits.isdecimal()


def _hop(digits: str) -> int:
    """Return a hop; what is beyond the last one is that one's next."""
    return min(int(digits[:10]), MAX_HOPS + 1)
