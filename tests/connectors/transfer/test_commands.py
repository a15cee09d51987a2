"""The commands carry a space from one installation to another."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from connectors.models import Connector
from tests.factories import make_action, make_connector, make_space

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("form", ["yaml", "ndjson"])
def test_a_space_is_carried_over(tmp_path: Path, form: str) -> None:
    source, target = make_space(), make_space()
    make_action(make_connector(source, public_id="desk", auth="bearer", secrets={"token": "x"}), public_id="tell")
    file = tmp_path / "space"
    call_command("export_objects", source.slug, str(file), format=form)
    out = StringIO()
    call_command("import_objects", target.slug, str(file), dry_run=True, stdout=out)
    assert "Nothing was changed, this was a dry run: 2 created." in out.getvalue()
    assert not Connector.objects.filter(space=target).exists()
    call_command("import_objects", target.slug, str(file), stdout=out)
    assert "connector desk: created; enter token" in out.getvalue()
    assert "Imported: 2 created." in out.getvalue()
    with pytest.raises(CommandError, match="Nothing was imported: 2 failed"):
        call_command("import_objects", target.slug, str(file), stdout=out)
    assert 'The ID "desk" is already taken.' in out.getvalue()


def test_what_cannot_be_read_is_said_plainly(tmp_path: Path) -> None:
    space = make_space()
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_objects", space.slug, str(tmp_path / "none"))
    (tmp_path / "bad").write_text("{")
    with pytest.raises(CommandError, match="Line 1: This is not JSON"):
        call_command("import_objects", space.slug, str(tmp_path / "bad"))
    with pytest.raises(CommandError, match='There is no space "nowhere"'):
        call_command("export_objects", "nowhere")
