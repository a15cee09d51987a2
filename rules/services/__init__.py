"""Use cases of rules and events."""

from rules.services.rules import RuleChanges, create_rule, delete_rule, update_rule

__all__ = ["RuleChanges", "create_rule", "delete_rule", "update_rule"]
