"""Write the connectors, actions and rules of a space to a file."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, get_args

from django.core.management.base import BaseCommand, CommandError

from connectors.transfer.documents import Format, write_file
from connectors.transfer.exporting import export_objects
from spaces.models import Space


class Command(BaseCommand):
    help = "Write the connectors, actions and rules of a space to a file or to standard output. Secrets stay here."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("space", help="ID of the space")
        parser.add_argument("file", nargs="?", help="file to write; standard output when not given")
        parser.add_argument("--format", choices=get_args(Format), default="yaml")

    def handle(self, *args: Any, space: str, file: str | None, format: Format, **options: Any) -> None:  # noqa: A002
        found = Space.objects.filter(slug=space).first()
        if found is None:
            raise CommandError(f'There is no space "{space}".')
        data = write_file(space, export_objects(found).documents, format)
        if file is None:
            sys.stdout.write(data.decode())
            return
        try:
            Path(file).write_bytes(data)
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}.") from None
