"""``manage.py check_invariants``: prove that nothing accepted was lost and every record agrees."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError

from rules.services.invariants import check_invariants, check_settled


class Command(BaseCommand):
    help = "Check what must always be true of events, deliveries and the event log. Exits 1 when something is not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--settled", action="store_true", help="Also require that no work is left over.")

    def handle(self, *args: Any, **options: Any) -> None:
        broken = 0
        try:
            findings = [*check_invariants(), *(check_settled() if options["settled"] else ())]
        except (OperationalError, ProgrammingError) as error:
            raise CommandError(f"{error}: nothing is set up here. Is VAR_DIR or DATABASE_URL right?") from None
        for finding in findings:
            broken += bool(finding.broken)
            if finding.broken:
                examples = ", ".join(map(str, finding.examples))
                self.stdout.write(
                    self.style.ERROR(f"broken  {finding.invariant}: {finding.broken} rows, as {examples}")
                )
            else:
                self.stdout.write(f"ok      {finding.invariant}")
        if broken:
            raise CommandError(f"{broken} of {len(findings)} invariants are broken.")
        self.stdout.write(self.style.SUCCESS(f"All {len(findings)} invariants hold."))
