"""Mute and snooze rules; acknowledge alerts, and mute what they are of."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from actions.engine.clock import database_time
from rules.models import Alert, AlertMute, Rule, RuleRun
from rules.services.rules import described
from rules.silences.stored import clean_snooze, without_ended
from spaces import audit
from spaces.errors import ReadOnly
from spaces.services import bump_config_revision
from spaces.validation import clean_number, reject

LONGEST_NOTE: Final = 2000
MOST_MUTED: Final = 1000  # keys of one rule


def mute_rule(rule: Rule) -> Rule:
    """Let nobody hear of the rule until it is unmuted; it goes on looking, and its deliveries are suppressed."""
    return _change(rule, "rule.mute", lambda row: setattr(row, "muted", True))


def unmute_rule(rule: Rule) -> Rule:
    """Let what the rule finds from now on be heard of; snoozes stay."""
    return _change(rule, "rule.unmute", lambda row: setattr(row, "muted", False))


def snooze_rule(rule: Rule, snooze: dict[str, Any]) -> Rule:
    """Mute the rule at the times of a schedule; without a ``start``, from now on. Raises InvalidInput.

    Snoozes that are over go.
    """
    now = database_time()
    start = {"start": now.astimezone(UTC).isoformat(timespec="seconds")} if snooze.get("start") is None else {}

    def add(row: Rule) -> None:
        others = without_ended(row.snoozes, now)
        row.snoozes = [*others, clean_snooze({**snooze, **start}, "", others)]

    return _change(rule, "rule.snooze", add)


def unsnooze_rule(rule: Rule, ids: Collection[str] = ()) -> Rule:
    """Take off the snoozes with these IDs, all if none is given. Raises InvalidInput for an ID that none has."""

    def take_off(row: Rule) -> None:
        known = {each["id"] for each in row.snoozes}
        for at, id_ in enumerate(ids):
            if id_ not in known:
                raise reject(f"/ids/{at}", f'The rule has no snooze "{id_}".')
        row.snoozes = [each for each in row.snoozes if ids and each["id"] not in ids]

    return _change(rule, "rule.unsnooze", take_off)


def acknowledge_alert(alert: Alert, note: str = "") -> Alert:
    """Say that somebody sees to an active alert: nobody hears that it goes on before its group changes or it ends.

    Raises ReadOnly where it is not active, InvalidInput for the note.
    """
    clean_number(len(note), "/note", 0, LONGEST_NOTE)
    with transaction.atomic():
        row, now = _locked(alert)
        if row.state != Alert.State.ACTIVE:
            raise ReadOnly(f"The alert {row.pk} is {row.state}: only one that is active can be acknowledged.")
        before = _acknowledgement(row)
        row.acknowledged_at, row.acknowledgement_note = now, note
        row.acknowledged_by = audit.current_actor().name[:255]
        # Whoever acknowledges it knows of it, so that its end is told of.
        row.held_back = row.held_back_by = ""
        row.save(update_fields=[*_ACKNOWLEDGED, "held_back", "held_back_by"])
        _record("alert.acknowledge", row, before=before, after=_acknowledgement(row))
    return row


def unacknowledge_alert(alert: Alert) -> Alert:
    """Take an acknowledgement back; what is not acknowledged stays as it is."""
    with transaction.atomic():
        row, _ = _locked(alert)
        if row.acknowledged_at is not None:
            before = _acknowledgement(row)
            row.acknowledged_at, row.acknowledged_by, row.acknowledgement_note = None, "", ""
            row.save(update_fields=_ACKNOWLEDGED)
            _record("alert.unacknowledge", row, before=before, after=_acknowledgement(row))
    return row


def mute_alert(alert: Alert) -> Alert:
    """Let nobody hear of the rule's alerts of this key, this one and later ones, until it is unmuted.

    Raises ReadOnly where the rule was deleted, or mutes too many already.
    """
    with transaction.atomic():
        row, _ = _locked(alert)
        if row.rule_id is None:
            raise ReadOnly(f"The rule of the alert {row.pk} was deleted: nothing is told of it any more.")
        if AlertMute.objects.filter(rule=row.rule_id).count() >= MOST_MUTED:
            raise ReadOnly(f"The rule mutes {MOST_MUTED} alerts already: mute the rule, or unmute some of them.")
        by = audit.current_actor().name[:255]
        _, begins = AlertMute.objects.get_or_create(rule_id=row.rule_id, key=row.key, defaults={"muted_by": by})
        if begins:
            _record("alert.mute", row, after={"key": row.key})
    return row


def unmute_alert(alert: Alert) -> Alert:
    """Let the rule's alerts of this key be heard of again."""
    with transaction.atomic():
        row, _ = _locked(alert)
        deleted, _ = AlertMute.objects.filter(rule=row.rule_id, key=row.key).delete()
        if deleted:
            _record("alert.unmute", row, before={"key": row.key})
    return row


def with_mutes(alerts: "QuerySet[Alert]") -> "QuerySet[Any]":
    """Return the alerts, each with ``is_muted``: whether nobody hears of its key."""
    return alerts.annotate(is_muted=Exists(AlertMute.objects.filter(rule=OuterRef("rule"), key=OuterRef("key"))))


_ACKNOWLEDGED: Final = ["acknowledged_at", "acknowledged_by", "acknowledgement_note"]


def _change(rule: Rule, what: str, change: Any) -> Rule:
    with transaction.atomic():
        row = Rule.objects.select_for_update().get(pk=rule.pk)
        before = described(row)
        change(row)
        after = described(row)
        if after != before:
            row.version += 1
            row.updated_at = database_time()
            row.save(update_fields=["muted", "snoozes", "version", "updated_at"])
            bump_config_revision(row.space_id)
            audit.record(
                what, space=row.space_id, object_id=row.public_id, object_name=row.name, before=before, after=after
            )
    return row


def _locked(alert: Alert) -> tuple[Alert, datetime]:
    """Return the alert as it is, and the time. A run of its rule that is being stored is waited for."""
    list(RuleRun.objects.select_for_update().filter(rule=alert.rule_id))
    return Alert.objects.select_for_update().get(pk=alert.pk), database_time()


def _acknowledgement(row: Alert) -> dict[str, Any]:
    at = row.acknowledged_at
    return {
        "acknowledged_at": at.isoformat() if at else None,
        "acknowledged_by": row.acknowledged_by,
        "note": row.acknowledgement_note,
    }


def _record(what: str, row: Alert, **said: Any) -> None:
    audit.record(what, space=row.space_id, object_id=str(row.pk), object_name=row.key[:200], **said)
