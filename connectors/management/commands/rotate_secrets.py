"""Encrypt all secrets under the newest key."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError

from connectors.services.canary import WrongKeys
from connectors.services.rotation import Rotation, rotate_secrets


class Command(BaseCommand):
    help = "Encrypt all secrets anew under the first key of SECRETS_KEYS. Everything may run meanwhile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")
        parser.add_argument(
            "--accept-loss",
            action="store_true",
            help="start over with these keys although they are not those of this database: what cannot be read must be "
            "entered again",
        )

    def handle(self, *args: Any, dry_run: bool, accept_loss: bool, **options: Any) -> None:
        try:
            rotation = rotate_secrets(dry_run=dry_run, accept_loss=accept_loss)
        except WrongKeys as error:
            raise CommandError(f"{error} {error.ADVICE}") from None
        except (OperationalError, ProgrammingError) as error:
            raise CommandError(f"{error}: nothing is set up here. Is VAR_DIR or DATABASE_URL right?") from None
        self._report(rotation, dry_run)
        if rotation.unreadable and not accept_loss:
            raise CommandError("Some secrets cannot be read: put their keys back, or enter them again.")

    def _report(self, rotation: Rotation, dry_run: bool) -> None:
        for each in rotation.unreadable:
            self.stdout.write(each)
        done = "would be renewed" if dry_run else "renewed"
        self.stdout.write(
            f"{rotation.renewed} {done}, {rotation.current} under the newest key already, "
            f"{len(rotation.unreadable)} unreadable."
        )
