"""Finds the rule types: every package in ``rules.types`` that defines ``rule_type``."""

from functools import cache

import rules.types
from rules.types.base import AnyRuleType, AnyScheduledRuleType, ScheduledRuleType
from spaces.declarations import declared_in


class UnknownRuleType(LookupError):
    """No rule type has this id."""

    def __init__(self, type_id: str) -> None:
        known = ", ".join(sorted(all_types()))
        super().__init__(f'There is no rule type "{type_id}". Known types: {known}.')


@cache
def all_types() -> dict[str, AnyRuleType]:
    """Return every rule type by id. Raise RuntimeError when two folders claim one id."""
    return declared_in(rules.types, "rule_type")


def get_type(type_id: str) -> AnyRuleType:
    """Return the type with this id; raise UnknownRuleType."""
    try:
        return all_types()[type_id]
    except KeyError:
        raise UnknownRuleType(type_id) from None


def get_scheduled_type(type_id: str) -> AnyScheduledRuleType:
    """Return the type with this id; raise UnknownRuleType, also where its rules do not run by themselves."""
    found = get_type(type_id)
    if not isinstance(found, ScheduledRuleType):
        raise UnknownRuleType(type_id)
    return found


def keeps_alerts(type_id: str) -> bool:
    """Return whether rules of this type keep alerts; those of a type that is not installed may have some."""
    found = all_types().get(type_id)
    return found is None or found.keeps_alerts
