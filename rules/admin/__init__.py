"""The console's pages of events, sources, rules, conditions and alerts."""

from rules.admin import alerts, conditions, events, rules, sources

__all__ = ["alerts", "conditions", "events", "rules", "sources"]
