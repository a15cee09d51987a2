"""The console's form of a connector."""

from typing import Any, Final

from django import forms

from connectors.models import Connector
from spaces.admin.json_fields import LinesField
from spaces.admin.typed_admin import TypedForm

LIMITS: Final = ("max_concurrency", "max_per_second")


class ConnectorForm(TypedForm):
    """A connector."""

    tags = LinesField(required=False, help_text="One on each line.")

    class Meta:
        model = Connector
        fields = ["name", "public_id", "space", "type", "enabled", "health_interval", *LIMITS]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["tags"] = LinesField().to_text(self.instance.tags)
        elif isinstance(space := self.fields.get("space"), forms.ModelChoiceField):
            space.required = True  # those without one come from CONNECTORS_FILE
