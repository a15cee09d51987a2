"""Print the settings that the environment may hold."""

from typing import Any

from django.core.management.base import BaseCommand

from connectors_project.options import OPTIONS


class Command(BaseCommand):
    help = "Print every setting as a Markdown table: name, default, meaning."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(options_table())


def options_table() -> str:
    """Return every option as a Markdown table."""
    rows = [("Setting", "Default", "Meaning"), ("---", "---", "---")]
    for option in OPTIONS:
        name = f"`{option.name}`" + (f", `{option.name}_FILE`" if option.secret else "")
        rows.append((name, f"`{option.default}`" if option.default else "", option.help))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
