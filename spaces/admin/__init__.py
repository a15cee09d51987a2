"""The console: spaces, API keys, the audit log, and the pages of the packages that are installed alongside."""

from spaces.admin import accounts, audit_log, keys, schedules, spaces

__all__ = ["accounts", "audit_log", "keys", "schedules", "spaces"]
