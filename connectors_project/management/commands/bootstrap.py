"""Prepare a fresh installation whose processes are started one by one."""

from typing import Any

from django.core.management.base import BaseCommand

from connectors_project.bootstrap import bootstrap
from connectors_project.welcome import first_run_notice


class Command(BaseCommand):
    help = "Create the default space and, on the first run, a user and an API key. `run` does it by itself."

    def handle(self, *args: Any, **options: Any) -> None:
        credentials = bootstrap()
        self.stdout.write(first_run_notice(credentials) if credentials else "Nothing to do: there are users already.")
