"""Use cases of rules, sources and events."""

from rules.services.conditions import ConditionChanges, create_condition, delete_condition, update_condition
from rules.services.copies import duplicate_rule
from rules.services.rules import RuleChanges, create_rule, delete_rule, update_rule
from rules.services.sources import SourceChanges, create_source, delete_source, update_source

__all__ = [
    "ConditionChanges",
    "RuleChanges",
    "SourceChanges",
    "create_condition",
    "create_rule",
    "create_source",
    "delete_condition",
    "delete_rule",
    "delete_source",
    "duplicate_rule",
    "update_condition",
    "update_rule",
    "update_source",
]
