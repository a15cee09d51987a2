"""The console's pages of events and rules."""

from rules.admin import events

__all__ = ["events"]
