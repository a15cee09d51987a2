"""Create an API key from the command line."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from spaces.models import Space
from spaces.roles import Role
from spaces.services import create_api_key


class Command(BaseCommand):
    help = "Create an API key of a space and print it; it cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("space", help="ID of the space")
        parser.add_argument("--name", default="command line", help="what the key is for")
        parser.add_argument("--role", choices=Role.values, default=Role.ADMIN, help="what it may do (admin)")

    def handle(self, *args: Any, **options: Any) -> None:
        space = Space.objects.filter(slug=options["space"]).first()
        if space is None:
            known = ", ".join(Space.objects.values_list("slug", flat=True)) or "none yet; run ./manage.py bootstrap"
            raise CommandError(f'There is no space "{options["space"]}". Spaces: {known}.')
        _, token = create_api_key(space, options["name"], role=options["role"])
        self.stdout.write(token)
