"""The one table of who may do what in a space. API, admin and docs/roles.md derive from it."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from django.db import models


class Ability(StrEnum):
    """Something that a role allows."""

    INGEST = "ingest"
    READ = "read"
    OPERATE = "operate"
    EDIT = "edit"
    ADMINISTER = "administer"

    @property
    def meaning(self) -> str:
        """What it is, for a person."""
        return MEANINGS[self]


class Role(models.TextChoices):
    """What somebody, or a key, is in a space. Each but the first includes the one before it."""

    INGEST = "ingest"  # for keys alone
    VIEWER = "viewer"
    OPERATOR = "operator"
    EDITOR = "editor"
    ADMIN = "admin"


MEANINGS: Final[Mapping[Ability, str]] = {
    Ability.INGEST: "send events",
    Ability.READ: "see connectors, sources, actions, rules, conditions, alerts, events, deliveries and the event log, "
    "and export",
    Ability.OPERATE: "test and execute connectors, reconnect them, replay and cancel deliveries, "
    "mute and snooze rules, acknowledge and mute alerts",
    Ability.EDIT: "create, change, try, delete, enable and import connectors, sources, actions, rules, conditions and "
    "maintenance windows",
    Ability.ADMINISTER: "change the space's settings, its members and keys, and read its audit log",
}
ABILITIES: Final[Mapping[Role, frozenset[Ability]]] = {
    Role.INGEST: frozenset({Ability.INGEST}),
    Role.VIEWER: frozenset({Ability.READ}),
    Role.OPERATOR: frozenset({Ability.INGEST, Ability.READ, Ability.OPERATE}),
    Role.EDITOR: frozenset({Ability.INGEST, Ability.READ, Ability.OPERATE, Ability.EDIT}),
    Role.ADMIN: frozenset(Ability),
}
MEMBER_ROLES: Final = (Role.VIEWER, Role.OPERATOR, Role.EDITOR, Role.ADMIN)
MEMBER_CHOICES: Final = [(role.value, role.label) for role in MEMBER_ROLES]
EVERYTHING: Final = frozenset(Ability)
NOTHING: Final[frozenset[Ability]] = frozenset()
# What an archived space still allows.
OF_ARCHIVED: Final = frozenset({Ability.READ, Ability.ADMINISTER})


def abilities_of(roles: Iterable[str]) -> frozenset[Ability]:
    """Return what somebody with all these roles may do."""
    return NOTHING.union(*(ABILITIES[Role(role)] for role in roles))


def least_role(ability: Ability) -> Role:
    """Return the weakest role that allows this, of those that people have."""
    return next(role for role in MEMBER_ROLES if ability in ABILITIES[role])


def render_table() -> str:
    """Return the table as Markdown."""
    lines = ["| may | " + " | ".join(Role.values) + " |", "|---" * (len(Role) + 1) + "|"]
    for ability in Ability:
        marks = ("yes" if ability in ABILITIES[role] else "" for role in Role)
        lines.append(f"| {ability.meaning} | {' | '.join(marks)} |")
    return "\n".join(lines)
