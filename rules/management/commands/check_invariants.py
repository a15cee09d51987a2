"""``manage.py check_invariants``: prove that nothing accepted was lost and every record agrees."""

import json
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError

from rules.services.invariants import Finding, as_json, check_invariants, check_settled

BROKEN: Final = 1
UNCHECKED: Final = 2


class Command(BaseCommand):
    help = (
        "Check what must always be true of events, deliveries and the event log, while everything runs. "
        f"Exits {BROKEN} when something is not, {UNCHECKED} when it cannot be checked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--settled", action="store_true", help="Also require that no work is left over.")
        parser.add_argument("--json", action="store_true", help="One JSON object in place of lines.")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = []
        try:
            for finding in (*check_invariants(), *(check_settled() if options["settled"] else ())):
                findings.append(finding)
                if not options["json"]:
                    self._show(finding)
        except (OperationalError, ProgrammingError) as error:
            detail = f"{error}: nothing is set up here. Is VAR_DIR or DATABASE_URL right?"
            raise CommandError(detail, returncode=UNCHECKED) from None
        broken = sum(bool(finding.broken) for finding in findings)
        if options["json"]:
            self.stdout.write(json.dumps(as_json(findings), indent=2))
        elif not broken:
            self.stdout.write(self.style.SUCCESS(f"All {len(findings)} invariants hold."))
        if broken:
            raise CommandError(f"{broken} of {len(findings)} invariants are broken.", returncode=BROKEN)

    def _show(self, finding: Finding) -> None:
        if not finding.broken:
            self.stdout.write(f"ok      {finding.invariant} ({finding.checked:,} {finding.rows})")
            return
        numbers = f"{finding.broken:,} of {finding.checked:,} {finding.rows}"
        examples = ", ".join(map(str, finding.examples))
        self.stdout.write(self.style.ERROR(f"broken  {finding.invariant}: {numbers}, such as {examples}"))
        self.stdout.write(f"        {finding.advice}")
