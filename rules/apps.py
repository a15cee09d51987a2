from django.apps import AppConfig


class RulesConfig(AppConfig):
    name = "rules"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from actions import occasions
        from actions.engine.tally import tally
        from connectors.transfer.kinds import register
        from rules import receivers  # noqa: F401  connects them
        from rules.history.counting import write_counts
        from rules.services.occasions import RuleOccasions
        from rules.transfer import ConditionKind, RuleKind, SourceKind, WindowKind

        register(ConditionKind())
        register(RuleKind())
        register(SourceKind())
        register(WindowKind())
        occasions.register(RuleOccasions())
        tally.register(write_counts)
