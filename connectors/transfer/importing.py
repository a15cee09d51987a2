"""Import objects into a space: all of them or none, with a report on each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from django.db import connection, transaction

from connectors.transfer import kibana
from connectors.transfer.documents import Entry
from connectors.transfer.kinds import AnyKind, ObjectDocument, Reference, in_order, kinds
from spaces import audit
from spaces.errors import FieldError, InvalidInput, ReadOnly
from spaces.models import Space
from spaces.validation import parse_model, reject

MOST_ON_SQLITE: Final = 2_000  # objects; they take seconds, in which nobody else writes


class Conflicts(StrEnum):
    """What is done with an object whose id is taken in the space."""

    REFUSE = "refuse"
    SKIP = "skip"
    OVERWRITE = "overwrite"
    NEW_IDS = "new_ids"  # every object gets a fresh id, and what refers to it follows


class Result(StrEnum):
    """What became of an object."""

    CREATED = "created"
    OVERWRITTEN = "overwritten"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(slots=True)
class ObjectReport:
    """What became of one object. ``id`` is the one it has in the space, ``file_id`` the one it has in the file.

    ``missing_secrets`` are to be entered before it is used; ``warnings`` are lines for a person.
    """

    line: int
    type: str
    file_id: str
    name: str
    id: str = ""
    result: Result = Result.FAILED
    detail: str = ""
    missing_secrets: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[FieldError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do; ``is_applied`` says which."""

    objects: Sequence[ObjectReport]
    is_dry_run: bool

    @property
    def has_failed(self) -> bool:
        """Whether at least one object cannot be imported, and so none is."""
        return any(each.result is Result.FAILED for each in self.objects)

    @property
    def is_applied(self) -> bool:
        """Whether the space is now as the report says."""
        return not (self.is_dry_run or self.has_failed)

    @property
    def counts(self) -> dict[str, int]:
        """How many objects had each result that occurred."""
        return dict(Counter(each.result.value for each in self.objects))


def import_objects(
    space: Space, entries: Sequence[Entry], *, conflicts: Conflicts = Conflicts.REFUSE, dry_run: bool = False
) -> ImportReport:
    """Bring the objects of a file into a space, in one transaction.

    Where one fails nothing changes at all, and the report has the errors of each. Raises InvalidInput for more objects
    than one transaction should hold: everybody waits for it on SQLite.
    """
    if connection.vendor == "sqlite" and len(entries) > MOST_ON_SQLITE:
        raise reject("", f"The file has {len(entries):,} objects; here, on SQLite, one may have {MOST_ON_SQLITE:,}.")
    work = _Import(space, conflicts)
    planned = [work.plan(entry) for entry in entries]
    with transaction.atomic():
        for kind in kinds().values():
            for plan in _of_kind(kind, planned):
                work.carry_out(plan)
        report = ImportReport([plan.report for plan in planned], dry_run)
        if report.is_applied:
            after = report.counts | {"conflicts": conflicts.value}
            audit.record("space.import", space=space, object_id=space.slug, object_name=space.name, after=after)
        else:
            transaction.set_rollback(True)
    return report


class _NothingNew(Exception):
    """Ends the transaction of an object that is already as the file says."""


@dataclass(slots=True)
class _Plan:
    report: ObjectReport
    kind: AnyKind | None = None
    document: ObjectDocument | None = None


class _Import:
    def __init__(self, space: Space, conflicts: Conflicts) -> None:
        self._space = space
        self._conflicts = conflicts
        # What the file has: its row once it is in the space, None before and where it failed.
        self._rows: dict[Reference, Any] = {}

    def plan(self, entry: Entry) -> _Plan:
        """Return what is to be done for an entry; what is wrong with it stands in the report."""
        foreign = kibana.adopt(entry.value)
        value = dict(foreign.document if foreign else entry.value)
        plan = _Plan(
            ObjectReport(entry.line, _word(value.pop("type", "")), _word(value.get("id")), _word(value.get("name")))
        )
        if foreign:
            plan.report.warnings = list(foreign.warnings)
            if foreign.refusal:
                plan.report.result, plan.report.detail = Result.SKIPPED, foreign.refusal
                return plan
        try:
            self._read(plan, value)
        except InvalidInput as invalid:
            _fail(plan, invalid.errors)
        return plan

    def carry_out(self, plan: _Plan) -> None:
        """Do what is planned, each in a transaction of its own within the import's."""
        if plan.kind is None or plan.document is None:
            return
        try:
            with transaction.atomic():
                self._put(plan, plan.kind, plan.document)
        except _NothingNew:
            plan.report.result = Result.UNCHANGED
        except InvalidInput as invalid:
            _fail(plan, invalid.errors)
        except ReadOnly as refusal:
            _fail(plan, [FieldError("/id", str(refusal))])

    def _read(self, plan: _Plan, value: dict[str, Any]) -> None:
        kind = kinds().get(plan.report.type)
        if kind is None:
            raise reject("/type", f"Use one of {', '.join(kinds())}.")
        document = parse_model(kind.document_model, value, "")
        reference = Reference(kind.id, document.id)
        if reference in self._rows:
            raise reject("/id", f'The {kind.id} "{document.id[:64]}" stands in this file twice.')
        self._rows[reference] = None
        plan.kind, plan.document = kind, document

    def _put(self, plan: _Plan, kind: AnyKind, document: Any) -> None:
        report, taken = plan.report, None
        if self._conflicts in (Conflicts.SKIP, Conflicts.OVERWRITE):
            taken = kind.find(self._space, document.id)
        if taken is None:
            chosen_id = None if self._conflicts is Conflicts.NEW_IDS else document.id
            self._enter(report, kind, document, kind.create(self._space, document, chosen_id, self._resolve))
            report.result = Result.CREATED
        elif self._conflicts is Conflicts.SKIP:
            self._enter(report, kind, document, taken)
            report.result, report.detail = Result.SKIPPED, "The one that is here stays as it is."
        else:
            before = kind.describe(taken)
            row = kind.overwrite(taken, document, self._resolve)
            self._enter(report, kind, document, row)
            report.result = Result.OVERWRITTEN
            if kind.describe(row) == before and not kind.carries_secrets(document):
                raise _NothingNew

    def _enter(self, report: ObjectReport, kind: AnyKind, document: Any, row: Any) -> None:
        self._rows[Reference(kind.id, document.id)] = row
        report.id = row.public_id
        report.missing_secrets = kind.missing_secrets(row)

    def _resolve(self, kind_id: str, public_id: str, pointer: str) -> Any:
        """Return the object that one of the file refers to: the file's own, else the space's."""
        reference = Reference(kind_id, public_id)
        if reference in self._rows:
            if (row := self._rows[reference]) is None:
                raise reject(pointer, f'The {kind_id} "{public_id}" of this file cannot be imported.')
            return row
        if (row := kinds()[kind_id].find(self._space, public_id)) is None:
            raise reject(pointer, f'There is no {kind_id} "{public_id[:64]}", neither in this file nor in this space.')
        return row


def _of_kind(kind: AnyKind, planned: Sequence[_Plan]) -> list[_Plan]:
    """Return the plans of this kind, each after those that it refers to."""
    plans = {Reference(kind.id, plan.document.id): plan for plan in planned if plan.kind is kind and plan.document}
    return in_order(plans, lambda plan: kind.references(plan.document.model_dump() if plan.document else {}))


def _fail(plan: _Plan, errors: Sequence[FieldError]) -> None:
    shown_as = plan.kind.shown_as if plan.kind else {}
    plan.report.result = Result.FAILED
    plan.report.errors = [FieldError(_renamed(error.pointer, shown_as), error.detail) for error in errors]


def _renamed(pointer: str, shown_as: Mapping[str, str]) -> str:
    """Return a service's pointer with the name that documents give its first part."""
    _, *parts = pointer.split("/")
    return "".join(f"/{part}" for part in (*(shown_as.get(part, part) for part in parts[:1]), *parts[1:]))


def _word(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""
