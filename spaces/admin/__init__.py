"""The console: spaces, API keys, and the pages of the packages that are installed alongside."""

from spaces.admin import accounts, keys, schedules, spaces

__all__ = ["accounts", "keys", "schedules", "spaces"]
