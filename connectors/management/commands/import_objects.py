"""Bring a file of connectors, actions and rules into a space."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors.transfer.documents import read_file
from connectors.transfer.importing import Conflicts, ObjectReport, import_objects
from spaces.errors import InvalidInput
from spaces.models import Space


class Command(BaseCommand):
    help = "Bring a file of connectors, actions and rules into a space: all of them or none."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("space", help="ID of the space")
        parser.add_argument("file", help="NDJSON or YAML, as export_objects writes it, or Kibana's saved objects")
        parser.add_argument(
            "--conflicts",
            choices=[each.value for each in Conflicts],
            default=Conflicts.REFUSE.value,
            help="what happens to an object whose ID is taken (refuse)",
        )
        parser.add_argument("--dry-run", action="store_true", help="only tell what would happen")

    def handle(self, *args: Any, space: str, file: str, conflicts: str, dry_run: bool, **options: Any) -> None:
        found = Space.objects.filter(slug=space).first()
        if found is None:
            raise CommandError(f'There is no space "{space}".')
        try:
            entries = read_file(Path(file).read_bytes())
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}.") from None
        except InvalidInput as invalid:
            raise CommandError("\n".join(error.detail for error in invalid.errors)) from None
        report = import_objects(found, entries, conflicts=Conflicts(conflicts), dry_run=dry_run)
        for each in report.objects:
            self.stdout.write(_line(each))
        counts = ", ".join(f"{count} {result}" for result, count in report.counts.items())
        if report.has_failed:
            raise CommandError(f"Nothing was imported: {counts}.")
        self.stdout.write(f"Nothing was changed, this was a dry run: {counts}." if dry_run else f"Imported: {counts}.")


def _line(each: ObjectReport) -> str:
    words = [f"line {each.line}: {each.type} {each.file_id}: {each.result.value}"]
    if each.id not in ("", each.file_id):
        words.append(f"as {each.id}")
    words += [each.detail] if each.detail else []
    words += [f"{error.pointer or '/'}: {error.detail}" for error in each.errors]
    words += each.warnings
    if each.missing_secrets:
        words.append(f"enter {', '.join(each.missing_secrets)}")
    return "; ".join(words)
