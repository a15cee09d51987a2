"""The console's pages of events, sources and rules."""

from rules.admin import events, rules, sources

__all__ = ["events", "rules", "sources"]
