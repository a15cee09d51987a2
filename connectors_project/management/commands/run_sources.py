"""``manage.py run_sources``: read the sources of the installation until SIGTERM."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from connectors_project.startup import allow_many_files, tune_interpreter
from rules.sources.runner import Runner


class Command(BaseCommand):
    help = "Read the sources, such as Kafka topics, until Ctrl-C or SIGTERM. Several may run, on several machines."

    def handle(self, *args: Any, **options: Any) -> None:
        runner = Runner()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: runner.stop())
        allow_many_files()
        tune_interpreter()
        self.stdout.write("Sources are read.")
        self.stdout.flush()
        runner.run()
