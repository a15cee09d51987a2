from django.apps import AppConfig


class RulesConfig(AppConfig):
    name = "rules"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from actions import occasions
        from connectors.transfer.kinds import register
        from rules import receivers  # noqa: F401  connects them
        from rules.services.occasions import RuleOccasions
        from rules.transfer import RuleKind, SourceKind, WindowKind

        register(RuleKind())
        register(SourceKind())
        register(WindowKind())
        occasions.register(RuleOccasions())
