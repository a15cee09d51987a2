"""Reads and writes alerts. What a run makes of each is for rules.alerts.cycle to say."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
from django.db import connection
from django.db.models import Q

from actions import bulk
from rules.alerts.cycle import Change, Phase, Settings, Standing, advance
from rules.models import MAX_ALERT_KEY, Alert, Rule
from rules.types.base import Finding, Recovery, Report

MOST: Final = 1000  # alerts that one run may find
OPEN: Final = Q(state__in=[Alert.State.PENDING, Alert.State.ACTIVE])
_WRITTEN: Final = (
    "group",
    "state",
    "since",
    "ended_at",
    "value",
    "summary",
    "change",
    "matches",
    "found",
    "flapping",
    "changes",
    "changed_in",
    "told",
    "acknowledged_at",
    "acknowledged_by",
    "acknowledgement_note",
    "held_back",
    "held_back_by",
)
_JSON: Final = frozenset({"value", "changes", "told"})
_DIGEST: Final = 16  # bytes that stand for the rest of a key that is too long


@dataclass(frozen=True, slots=True)
class Changed:
    """An alert, as the run leaves it, and what the run did to it."""

    alert: Alert
    change: Change


@dataclass(slots=True)
class Outcome:
    """What a run makes of the alerts of its rule; nothing of it is written before ``write``."""

    changed: list[Changed] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _fresh: list[Alert] = field(default_factory=list)
    _former: dict[int, tuple[Alert, list[Any]]] = field(default_factory=dict)
    _dropped: list[int] = field(default_factory=list)

    def count(self, change: Change) -> int:
        """Return how many alerts the run did this to."""
        return sum(each.change is change for each in self.changed)

    def write(self) -> None:
        """Write what is not as it was, in the caller's transaction."""
        if self._dropped:
            Alert.objects.filter(pk__in=self._dropped).delete()
        stale = [row for row, before in self._former.values() if before != _values(row)]
        if stale:
            _update(stale)
        Alert.objects.bulk_create(self._fresh, batch_size=200)


def open_keys(rule_id: int) -> frozenset[str]:
    """Return the keys of the alerts that wait for their delay or are active."""
    return frozenset(Alert.objects.filter(OPEN, rule=rule_id).values_list("key", flat=True))


def take_in(rule: Rule, run: int, report: Report, now: datetime) -> Outcome:
    """Return what this report makes of the rule's alerts. The caller holds the lock of the rule's run."""
    outcome = Outcome()
    settings = Settings(rule.delay, rule.flapping_look_back, rule.flapping_threshold)
    standing = _standing(rule.pk, run - settings.look_back)
    found = _bounded(report.findings, standing, outcome.warnings)
    recovered = {fit(each.key): each for each in report.recovered}
    unjudged = {fit(key) for key in report.unjudged}
    for key in (*standing, *(key for key in found if key not in standing)):
        if key in unjudged and key not in found:
            continue
        row, finding = standing.get(key), found.get(key)
        step = advance(_read(row) if row else None, finding.group if finding else None, run, settings)
        said = finding or recovered.get(key)
        if step.standing is None:
            if row is not None and row.state == Alert.State.PENDING:
                outcome._dropped.append(row.pk)
            continue
        goes_on = row is not None and (row.state != Alert.State.RECOVERED or step.standing.phase is Phase.RECOVERED)
        if row is None or not goes_on:
            row = Alert(space_id=rule.space_id, rule=rule, rule_public_id=rule.public_id, key=key, since=now)
            outcome._fresh.append(row)
        else:
            outcome._former[row.pk] = (row, _values(row))
        _put(row, step.standing, step.change, said, now)
        if step.change is not None:
            outcome.changed.append(Changed(row, step.change))
    return outcome


def untrack(rule: Rule, now: datetime) -> None:
    """Close the open alerts of a rule that does not look any more, and tell nobody."""
    Alert.objects.filter(rule=rule, state=Alert.State.PENDING).delete()
    Alert.objects.filter(OPEN, rule=rule).update(state=Alert.State.UNTRACKED, ended_at=now)


def fit(key: str) -> str:
    """Return the key, its end replaced by a hash where there is no room for it."""
    if len(key) <= MAX_ALERT_KEY:
        return key
    digest = hashlib.blake2b(key.encode(), digest_size=_DIGEST).hexdigest()
    return f"{key[: MAX_ALERT_KEY - len(digest) - 1]}~{digest}"


def _standing(rule_id: int, since_run: int) -> dict[str, Alert]:
    """Return the open alerts by key, and those that recovered within the look-back."""
    rows = Alert.objects.filter(rule=rule_id).filter(
        OPEN | Q(state=Alert.State.RECOVERED, changed_in__gt=max(since_run, 0))
    )
    # An open one of a key is younger than those that recovered.
    return {row.key: row for row in rows.order_by("pk")}


def _bounded(findings: Sequence[Finding], standing: dict[str, Alert], warnings: list[str]) -> dict[str, Finding]:
    """Return the findings by key: of more than there may be, those that have an alert already come first."""
    found = {fit(each.key): each for each in findings}
    if len(found) <= MOST:
        return found
    known = [key for key in found if key in standing]
    kept = [*known, *(key for key in found if key not in standing)][:MOST]
    warnings.append(
        f"{len(found)} things were found, and {MOST} of them have alerts: the others are left out. "
        "Narrow the rule, or group by less."
    )
    return {key: found[key] for key in kept}


def _read(row: Alert) -> Standing:
    return Standing(Phase(row.state), row.group, row.matches, row.found, tuple(row.changes), row.flapping)


def _put(row: Alert, standing: Standing, change: Change | None, said: Finding | Recovery | None, now: datetime) -> None:
    row.state, row.group, row.matches = Alert.State(standing.phase), standing.group, standing.matches
    row.found, row.flapping = standing.found, standing.flapping
    row.changes = list(standing.changes)
    row.changed_in = max(standing.changes, default=row.changed_in)
    if said is not None:
        row.value, row.summary = said.value, said.summary
    if change is Change.OPENED:
        row.since = now
    if change is Change.RECOVERED:
        row.ended_at = now


def _update(rows: Sequence[Alert]) -> None:
    """Write the rows. The ORM's bulk_update took 5 s for 1,000 of them, with the lock of SQLite's one writer."""
    assignments = ", ".join(f'"{name}" = %s' for name in _WRITTEN)
    values = [[*map(_as_stored, _WRITTEN, _snapshot(row)), row.pk] for row in rows]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {Alert._meta.db_table} SET {assignments} WHERE id = %s",  # noqa: S608  constant names
            values if connection.vendor == "postgresql" else [bulk.sqlite_row(row) for row in values],
        )


def _as_stored(name: str, value: Any) -> Any:
    if name in _JSON:
        return None if value is None else orjson.dumps(value).decode()
    return str(value) if name == "state" else value


def _values(row: Alert) -> list[Any]:
    return list(_snapshot(row))


def _snapshot(row: Alert) -> Iterator[Any]:
    for name in _WRITTEN:
        value = getattr(row, name)
        yield dict(value) if isinstance(value, dict) else value
