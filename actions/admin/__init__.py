"""The console's pages of actions, deliveries and the event log."""

from actions.admin import deliveries, event_log

__all__ = ["deliveries", "event_log"]
