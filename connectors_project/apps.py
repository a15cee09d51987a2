from django.apps import AppConfig


class ConnectorsProjectConfig(AppConfig):
    name = "connectors_project"
    verbose_name = "Switchyard"

    def ready(self) -> None:
        from connectors_project import checks, startup  # noqa: F401  they register checks and signal handlers
