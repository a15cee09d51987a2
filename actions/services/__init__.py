"""Use cases of actions and their deliveries."""

from actions.services.actions import ActionChanges, create_action, delete_action, duplicate_action, update_action
from actions.services.params import complete_params

__all__ = ["ActionChanges", "complete_params", "create_action", "delete_action", "duplicate_action", "update_action"]
