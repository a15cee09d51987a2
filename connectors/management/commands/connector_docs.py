"""Write the connector reference, a page for each type, from what the types declare."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors.reference.pages import index, page
from connectors.types.registry import UnknownConnectorType, get_type, own_types


class Command(BaseCommand):
    help = "Write the pages of the connector reference: of all types that come with Switchyard, or of those named."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", help="where to write them")
        parser.add_argument("types", nargs="*", help="IDs of types, those of other packages too; no list of them then")

    def handle(self, *args: Any, folder: str, types: list[str], **options: Any) -> None:
        try:
            declared = [get_type(type_id) for type_id in types] or list(own_types().values())
        except UnknownConnectorType as error:
            raise CommandError(str(error)) from None
        pages = {each.id: page(each) for each in declared}
        if not types:
            pages["README"] = index(declared)  # no ID of a type is in upper case
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            for name, text in pages.items():
                (Path(folder) / f"{name}.md").write_text(text)
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from None
        self.stdout.write(f"{len(pages)} pages in {folder}.")
