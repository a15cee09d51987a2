from django.apps import AppConfig


class ConnectorsConfig(AppConfig):
    name = "connectors"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from connectors import checks  # noqa: F401  it registers checks
        from connectors.transfer.connectors import ConnectorKind
        from connectors.transfer.kinds import register

        register(ConnectorKind())
