"""The console's pages of events and rules."""

from rules.admin import events, rules

__all__ = ["events", "rules"]
