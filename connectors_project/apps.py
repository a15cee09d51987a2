from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin import sites


class ConnectorsProjectConfig(AppConfig):
    name = "connectors_project"
    verbose_name = "Switchyard"
    default = True

    def ready(self) -> None:
        from connectors_project import checks, startup  # noqa: F401  they register checks and signal handlers


class ConsoleConfig(AppConfig):
    """Unfold, with the console's site in place of its own."""

    name = "unfold"

    def ready(self) -> None:
        from connectors_project.site import ConsoleSite

        admin.site = sites.site = ConsoleSite()
