from django.apps import AppConfig


class ActionsConfig(AppConfig):
    name = "actions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from actions import receivers  # noqa: F401  connects them
        from actions.transfer import ActionKind
        from connectors.transfer.kinds import register

        register(ActionKind())
