"""Use cases of rules, sources and events."""

from rules.services.copies import duplicate_rule
from rules.services.rules import RuleChanges, create_rule, delete_rule, update_rule
from rules.services.sources import SourceChanges, create_source, delete_source, update_source

__all__ = [
    "RuleChanges",
    "SourceChanges",
    "create_rule",
    "create_source",
    "delete_rule",
    "delete_source",
    "duplicate_rule",
    "update_rule",
    "update_source",
]
