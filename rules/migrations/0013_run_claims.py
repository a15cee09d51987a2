"""How often a rule was claimed since a run of it came to its end."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("rules", "0012_threshold_buckets")]

    operations = [
        migrations.AddField(
            model_name="rulerun",
            name="claims",
            field=models.PositiveIntegerField(default=0, help_text="Claims since a run came to its end."),
        ),
    ]
