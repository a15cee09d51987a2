"""The console: spaces, API keys, members, the audit log, and the pages of the packages that are installed alongside."""

from spaces.admin import accounts, audit_log, keys, members, schedules, spaces

__all__ = ["accounts", "audit_log", "keys", "members", "schedules", "spaces"]
