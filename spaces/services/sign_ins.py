"""What the audit log keeps of people who sign in, fail to, and change passwords. It belongs to no space."""

import logging
from datetime import timedelta
from typing import Final

from django.contrib.auth.models import User
from django.utils import timezone

from spaces import audit
from spaces.models import AuditEntry

logger = logging.getLogger(__name__)

FAILED_LOGIN: Final = "user.login_failed"
LOCKOUT: Final = "user.locked_out"
# Anybody can make these entries, so that their number is bounded: in all, and to one for a name from an address.
ENTRIES_PER_MINUTE: Final = 60
_LOOKED_AT: Final = 200
_LONGEST_NAME: Final = 200  # of AuditEntry.object_name


def record_login(user: User) -> None:
    """Record that the user came in."""
    _record("user.login", user)


def record_logout(user: User) -> None:
    """Record that the user left."""
    _record("user.logout", user)


def record_password_change(user: User) -> None:
    """Record that the user has another password, or none any more."""
    _record("user.password_change", user)


def record_failed_login(name: str) -> None:
    """Record that somebody tried to come in under this name, which need not exist."""
    _record_attempt(FAILED_LOGIN, name)


def record_lockout(name: str) -> None:
    """Record that whoever tries this name from the present address must wait."""
    _record_attempt(LOCKOUT, name)


def _record(action: str, user: User) -> None:
    audit.record(action, space=None, object_id=str(user.pk), object_name=user.get_username())


def _record_attempt(action: str, name: str) -> None:
    name, address = name.replace("\0", "")[:_LONGEST_NAME], audit.current_actor().address
    logger.warning("%s: %r from %s", action, name, address)
    # Read by the index on (space, id), so that its cost is bounded however long the log is.
    newest = AuditEntry.objects.filter(space=None).order_by("-id")[:_LOOKED_AT]
    since = timezone.now() - timedelta(minutes=1)
    latest = [
        (entry.action, entry.object_name, entry.address)
        for entry in newest
        if entry.time > since and entry.action in {FAILED_LOGIN, LOCKOUT}
    ]
    if len(latest) < ENTRIES_PER_MINUTE and (action, name, address) not in latest:
        audit.record(action, space=None, object_id="", object_name=name)
