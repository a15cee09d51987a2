"""The console's pages of events, sources, rules, conditions, alerts and maintenance windows."""

from rules.admin import alerts, conditions, events, rules, sources, windows

__all__ = ["alerts", "conditions", "events", "rules", "sources", "windows"]
