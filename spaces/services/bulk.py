"""Do one thing to many objects, each on its own: what one of them refuses does not touch the others."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model

from spaces.errors import InUse, InvalidInput, ReadOnly

ModelT = TypeVar("ModelT", bound=Model)


def apply_to_each(rows: Iterable[ModelT], change: Callable[[ModelT], object]) -> list[str]:
    """Return for each row, in order, why ``change`` refused it, or ""."""
    return [_refusal(row, change) for row in rows]


def _refusal(row: ModelT, change: Callable[[ModelT], object]) -> str:
    try:
        change(row)
    except InvalidInput as invalid:
        return " ".join(error.detail for error in invalid.errors)
    except (InUse, ReadOnly) as refusal:
        return str(refusal)
    except ObjectDoesNotExist:
        return "Somebody deleted it meanwhile."
    return ""
