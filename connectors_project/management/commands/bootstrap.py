"""Prepare an installation whose processes are started one by one."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors_project.bootstrap import CannotSetUp, set_up
from connectors_project.welcome import first_run_notice


class Command(BaseCommand):
    help = "Migrate, create the default space and, on the first run, a user and an API key. `run` does it by itself."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            credentials = set_up()
        except CannotSetUp as error:
            raise CommandError(str(error)) from None
        self.stdout.write(first_run_notice(credentials) if credentials else "There are users already; nothing made.")
