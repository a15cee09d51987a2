"""What becomes of a message when the code of a connector type fails, which is no fault of the system that it is for."""

import logging
import traceback
from typing import Final

from django.db import DatabaseError, InterfaceError

from connectors.outcomes import Reason

logger = logging.getLogger(__name__)

# Tried again, and dead once the tries are used up: it may be what the system said that the type does not expect.
FAULT: Final = Reason.RETRY_HTTP_5XX
# Raised by a type that reads or keeps something here, such as an access token: no fault of its own.
NO_FAULT: Final = (DatabaseError, InterfaceError)
NO_OUTCOME: Final = "The connector type ended without an outcome for the message, which may have arrived."


def tell_fault(type_id: str, error: Exception) -> str:
    """Log where a connector type raised ``error``, and return a line about it for a person.

    The exception's own text is told nowhere: it may hold a secret in a form that no masker knows, such as a repr.
    """
    what = type(error).__name__
    where = "".join(traceback.format_tb(error.__traceback__))
    logger.error("The connector type %s failed with %s at\n%s", type_id, what, where)
    return f"The connector type {type_id} failed with {what}. The log says where."
