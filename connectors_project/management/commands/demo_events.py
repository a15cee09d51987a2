"""Feed the demo."""

import random
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, ProgrammingError

from connectors_project.demo.content import DEMO_SPACE
from connectors_project.demo.events import demo_events
from rules.services.accept import accept_events
from spaces.models import Space


class Command(BaseCommand):
    help = "Send made-up events to the demo space. Matches show on /demo/receiver/ and in the event log."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rate", type=float, default=5.0, help="events a second (default: 5)")
        parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: 60)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._send(options["rate"], options["seconds"])
        except (OperationalError, ProgrammingError) as error:
            raise CommandError(f"{error}: nothing is set up here. Is VAR_DIR or DATABASE_URL right?") from None
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")

    def _send(self, rate: float, seconds: float) -> None:
        if not (0 < rate <= 1000 and 0 < seconds <= 86400):
            raise CommandError("Choose a --rate above 0 and up to 1000, and --seconds above 0 and up to 86400.")
        space = Space.objects.filter(slug=DEMO_SPACE).first()
        if space is None:
            raise CommandError("There is no demo space. `make run` loads the demo into a fresh VAR_DIR.")
        started_at = time.monotonic()
        for number, (event, data) in enumerate(demo_events(random.Random()), start=1):  # noqa: S311  no secret
            accept_events(space.pk, [event])
            self.stdout.write(f"{event.type:<15} {data}")
            self.stdout.flush()
            next_at = number / rate
            if next_at >= seconds:
                break
            time.sleep(max(0.0, started_at + next_at - time.monotonic()))
        self.stdout.write(f"Sent {number} events.")
