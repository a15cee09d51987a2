"""Own events that could come without end are counted up in each process, and told of once in a while."""

import logging
from typing import Final

from django.core.cache import cache

logger = logging.getLogger(__name__)

TOLD_EVERY: Final = 60  # seconds, for each rule or space


def may_tell(what: str) -> bool:
    """Whether nobody told of ``what`` in the last minute; if so, the caller is taken to tell of it now."""
    try:
        return cache.add(f"told:{what}", 1, timeout=TOLD_EVERY)
    except Exception as error:  # noqa: BLE001  whatever the broker's client raises: then each process tells for itself
        logger.debug("Could not note what was told: %s", error)
        return True
