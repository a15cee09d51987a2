"""The console's pages of events, sources, rules and alerts."""

from rules.admin import alerts, events, rules, sources, windows

__all__ = ["alerts", "events", "rules", "sources", "windows"]
