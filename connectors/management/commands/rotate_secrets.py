"""Encrypt all secrets under the newest key."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors.services.rotation import Rotation, has_other_keys, plant_canary, rotate_secrets


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
        if has_other_keys():
            if not accept_loss:
                raise CommandError(
                    "SECRETS_KEYS has none of the keys of this database. Put them back. Where they are lost for good, "
                    "--accept-loss starts over with these."
                )
            if not dry_run:
                plant_canary(anew=True)
        self._report(rotate_secrets(dry_run=dry_run), dry_run)

    def _report(self, rotation: Rotation, dry_run: bool) -> None:
        for each in rotation.unreadable:
            self.stdout.write(f"No key in SECRETS_KEYS decrypts the secrets of the {each}. Enter them again.")
        done = "would be renewed" if dry_run else "renewed"
        self.stdout.write(
            f"{rotation.renewed} {done}, {rotation.current} under the newest key already, "
            f"{len(rotation.unreadable)} unreadable."
        )
        if rotation.unreadable:
            raise CommandError(
                "Some secrets cannot be read. Keep every key of SECRETS_KEYS until they are entered again."
            )
