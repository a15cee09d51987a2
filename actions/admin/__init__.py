"""The console's pages of actions, deliveries and the event log."""

from actions.admin import actions, deliveries, event_log, jobs

__all__ = ["actions", "deliveries", "event_log", "jobs"]
