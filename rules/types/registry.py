"""Finds the rule types: every package in ``rules.types`` that defines ``rule_type``."""

import pkgutil
from functools import cache
from importlib import import_module

import rules.types
from rules.types.base import AnyRuleType


class UnknownRuleType(LookupError):
    """No rule type has this id."""

    def __init__(self, type_id: str) -> None:
        known = ", ".join(sorted(all_types()))
        super().__init__(f'There is no rule type "{type_id}". Known types: {known}.')


@cache
def all_types() -> dict[str, AnyRuleType]:
    """Return every rule type by id. Raise RuntimeError when two folders claim one id."""
    found: dict[str, AnyRuleType] = {}
    for module in pkgutil.iter_modules(rules.types.__path__):
        if not module.ispkg:
            continue
        declared: AnyRuleType = import_module(f"rules.types.{module.name}").rule_type
        if declared.id in found:
            raise RuntimeError(f'Two folders of rules/types declare the id "{declared.id}".')
        found[declared.id] = declared
    return found


def get_type(type_id: str) -> AnyRuleType:
    """Return the type with this id; raise UnknownRuleType."""
    try:
        return all_types()[type_id]
    except KeyError:
        raise UnknownRuleType(type_id) from None
