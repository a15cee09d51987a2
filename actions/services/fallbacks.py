"""Checks which action may be the fallback of which."""

from collections.abc import Mapping
from typing import Final

from actions.models import Action
from spaces.models import Space
from spaces.validation import reject

LONGEST_CHAIN: Final = 3  # fallbacks, one the fallback of the next


def lock_fallbacks(space_id: int) -> None:
    """Let nobody else change which action of the space is whose fallback before this transaction ends."""
    Space.objects.select_for_update(no_key=True).get(pk=space_id)


def clean_fallback(row: Action, fallback: Action | None) -> Action | None:
    """Return the fallback as it is stored; raise InvalidInput for one of another space, a loop, or a long chain."""
    if fallback is None:
        return None
    lock_fallbacks(row.space_id)
    found = Action.objects.filter(pk=fallback.pk, space=row.space_id).first()
    if found is None:
        raise reject("/fallback", f'There is no action "{fallback.public_id}" in this space.')
    following = dict(
        Action.objects.filter(space=row.space_id, fallback__isnull=False)
        .exclude(pk=row.pk)
        .values_list("pk", "fallback_id")
    )
    behind = [found.pk]
    while (key := following.get(behind[-1])) is not None and len(behind) <= LONGEST_CHAIN:
        behind.append(key)
    if row.pk in behind:
        raise reject("/fallback", f'"{found.public_id}" comes back to "{row.public_id}": fallbacks must not go round.')
    if len(behind) + _most_before(row, following) > LONGEST_CHAIN:
        raise reject("/fallback", f"A chain of more than {LONGEST_CHAIN} fallbacks; leave one out.")
    return found


def _most_before(row: Action, following: Mapping[int, int | None]) -> int:
    """Return how many actions, at most, stand in line before this one."""
    reached, count = {row.pk}, 0
    while count <= LONGEST_CHAIN:
        reached = {key for key, fallback in following.items() if fallback in reached}
        if not reached:
            break
        count += 1
    return count
