"""Export and import in the console."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from actions.models import Action
from connectors.models import Connector
from connectors.transfer.documents import LONGEST, read_file
from connectors.transfer.exporting import export_objects
from rules.models import Rule
from spaces.models import AuditEntry, Space
from tests.admin.conftest import HOSTILE, make_member
from tests.admin.samples import CANARY, LIST, make_preconfigured, make_sample
from tests.factories import make_action, make_rule

EXPORT = "admin:connectors_connector_export_space"
IMPORT = "admin:connectors_connector_import_file"

pytestmark = pytest.mark.usefixtures("sample_type")


@pytest.fixture
def filled(space: Space) -> Space:
    """A space with a connector, an action and a rule."""
    connector = make_sample(space, secrets={"token": CANARY})
    make_rule(space, name="The rule", actions=[make_action(connector, params={"text": "x"}, name="The action")])
    return space


def exported(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith("attachment; ")
    assert CANARY.encode() not in answer.content
    return [(entry.value["type"], entry.value["name"]) for entry in read_file(answer.content)]


def document(**fields: Any) -> dict[str, Any]:
    return {
        "type": "connector",
        "id": "mine",
        "name": "From a file",
        "connector_type_id": "sample",
        "config": {"host": "example.com"},
        **fields,
    }


def sent(space: Space, *documents: Any, **fields: Any) -> dict[str, Any]:
    content = b"".join(each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n" for each in documents)
    return {"space": space.pk, "conflicts": "refuse", "file": SimpleUploadedFile("file.ndjson", content), **fields}


def result(answer: Any) -> str:
    assert answer.status_code == 200
    text = str(answer.content.decode())
    return text[text.index('id="sy-result"') :]


def chosen(action: str, *connectors: Connector) -> dict[str, Any]:
    return {"action": action, "_selected_action": [each.pk for each in connectors], "index": 0}


@pytest.mark.parametrize("form", ["ndjson", "yaml"])
def test_a_space_is_exported(console: Client, filled: Space, form: str) -> None:
    assert reverse(EXPORT) in console.get(reverse(LIST)).content.decode()
    assert 'name="form"' in console.get(reverse(EXPORT)).content.decode()
    answer = console.post(reverse(EXPORT), {"space": filled.pk, "form": form})
    assert exported(answer) == [("connector", "My system"), ("action", "The action"), ("rule", "The rule")]
    assert f'filename="default.{form}"' in answer["Content-Disposition"]
    assert AuditEntry.objects.filter(action="space.export", actor="admin").count() == 1


@pytest.mark.parametrize("fields", [{"space": "999"}, {"space": "x"}, {"form": "xml"}, {"space": ""}])
def test_an_export_of_nothing_that_exists_is_refused_at_its_field(
    console: Client, space: Space, fields: dict[str, str]
) -> None:
    answer = console.post(reverse(EXPORT), {"space": space.pk, "form": "yaml", **fields})
    assert list(answer.context["form"].errors) == list(fields)


def test_the_chosen_connectors_are_exported(console: Client, filled: Space) -> None:
    other = make_sample(filled, public_id="other", name="Other")
    make_sample(filled, public_id="third")
    mine = Connector.objects.get(public_id="mine")
    for form in ("ndjson", "yaml"):
        answer = console.post(reverse(LIST), chosen(f"export_{form}", mine, other))
        assert exported(answer) == [("connector", "My system"), ("connector", "Other")]


def test_what_cannot_be_in_one_file_is_refused_with_a_message(
    console: Client, space: Space, other_space: Space
) -> None:
    mine, theirs, shared = make_sample(space), make_sample(other_space), make_preconfigured()
    for connectors, said in (((mine, theirs), "of one space"), ((mine, shared), "CONNECTORS_FILE")):
        answer = console.post(reverse(LIST), chosen("export_yaml", *connectors), follow=True)
        assert said in str(next(iter(answer.context["messages"])))


def test_a_dry_run_tells_and_changes_nothing(console: Client, space: Space) -> None:
    assert "checked" in console.get(reverse(IMPORT)).content.decode().partition('name="dry_run"')[2][:400]
    shown = result(console.post(reverse(IMPORT), sent(space, document(), dry_run="on")))
    for said in ("nothing was changed", "1 created", "would be created", "From a file", "mine"):
        assert said in shown
    assert not Connector.objects.exists()


def test_a_file_is_imported_with_a_report_on_each_object(console: Client, filled: Space, other_space: Space) -> None:
    documents = export_objects(filled).documents
    shown = result(console.post(reverse(IMPORT), sent(other_space, *documents)))
    assert "Done: 3 created." in shown
    assert "Secrets to enter before it is used: token." in shown
    for model in (Connector, Action, Rule):
        made: Any = model._default_manager.get(space=other_space)
        narrowed = f"?public_id={made.public_id}&amp;space__id__exact={other_space.pk}"
        listed = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert f'href="{listed}{narrowed}"' in shown
        answer = console.get(listed, {"public_id": made.public_id, "space__id__exact": other_space.pk})
        assert list(answer.context["cl"].result_list) == [made]


def test_where_one_object_fails_nothing_is_imported(console: Client, space: Space) -> None:
    wrong = document(id="wrong", config={"host": "x", "port": 0})
    shown = result(console.post(reverse(IMPORT), sent(space, document(), wrong)))
    for said in ("Nothing was imported", "config/port", "failed"):
        assert said in shown
    assert not Connector.objects.exists()


@pytest.mark.parametrize(
    ("conflicts", "said", "count"),
    [
        ("refuse", "of 1 objects 1 cannot be", 1),
        ("skip", "1 skipped", 1),
        ("overwrite", "1 overwritten", 1),
        ("new_ids", "1 created", 2),
    ],
)
def test_an_id_that_is_taken_is_dealt_with_as_chosen(
    console: Client, space: Space, conflicts: str, said: str, count: int
) -> None:
    make_sample(space)
    assert said in result(console.post(reverse(IMPORT), sent(space, document(), conflicts=conflicts)))
    assert Connector.objects.count() == count


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b"{}\n", b'{"a": 1, "a": 2}\n', b"- x", b"a: &b 1\n", b'{"type": "connector"}\n5'],
)
def test_a_file_that_cannot_be_read_says_why(console: Client, space: Space, content: bytes) -> None:
    shown = result(console.post(reverse(IMPORT), sent(space, content)))
    assert "Nothing was imported" in shown
    assert not Connector.objects.exists()


@pytest.mark.parametrize("fields", [{"conflicts": "unknown"}, {"space": "999"}, {"file": ""}])
def test_what_is_wrong_with_the_form_stands_in_the_result(
    console: Client, space: Space, fields: dict[str, str]
) -> None:
    answer = console.post(reverse(IMPORT), {**sent(space, document()), **fields})
    assert list(answer.context["form"].errors) == list(fields)
    assert "Nothing was imported" in result(answer)


def test_a_file_that_is_too_long_is_not_read(console: Client, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    for form in ("ndjson", "yaml"):
        monkeypatch.setitem(LONGEST, form, 10)
    assert "one may have 10" in result(console.post(reverse(IMPORT), sent(space, document())))


def test_what_stands_in_a_file_stays_text(console: Client, space: Space) -> None:
    hostile = [
        document(id=HOSTILE),
        document(id="b", name=HOSTILE, config={HOSTILE: 1}),
        document(id="c", type=HOSTILE),
        document(id="d", connector_type_id=HOSTILE),
    ]
    shown = result(console.post(reverse(IMPORT), sent(space, *hostile)))
    assert "alert(1)" in shown
    assert "<script>alert" not in shown
    assert "<img src=x" not in shown


def test_a_secret_in_a_file_is_on_no_page(console: Client, space: Space) -> None:
    wrong = document(id="b", secrets={"token": CANARY, "unknown": CANARY})
    for documents in ([document(secrets={"token": CANARY})], [wrong]):
        assert CANARY not in result(console.post(reverse(IMPORT), sent(space, *documents)))


def test_who_may_only_look_exports_and_does_not_import(client: Client, filled: Space) -> None:
    client.force_login(make_member(filled, "viewer"))
    listed = client.get(reverse(LIST)).content.decode()
    assert reverse(EXPORT) in listed
    assert reverse(IMPORT) not in listed
    for answer in (
        client.post(reverse(EXPORT), {"space": filled.pk, "form": "yaml"}),
        client.post(reverse(LIST), chosen("export_yaml", Connector.objects.get())),
    ):
        assert "attachment" in answer["Content-Disposition"]
    assert client.get(reverse(IMPORT)).status_code == 403
    assert client.post(reverse(IMPORT), sent(filled, document(id="new"))).status_code == 403
    assert Connector.objects.count() == 1


def test_a_member_of_another_space_neither_exports_nor_imports(
    client: Client, filled: Space, other_space: Space
) -> None:
    client.force_login(make_member(other_space, "admin"))
    for answer in (
        client.post(reverse(EXPORT), {"space": filled.pk, "form": "yaml"}),
        client.post(reverse(LIST), chosen("export_yaml", Connector.objects.get())),
        client.post(reverse(IMPORT), sent(filled, document(id="new"), dry_run="")),
    ):
        assert "Content-Disposition" not in answer
    assert Connector.objects.count() == 1


def test_files_are_sent_with_a_token_only(admin: User, space: Space) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin)
    assert strict.post(reverse(IMPORT), sent(space, document())).status_code == 403
    assert strict.post(reverse(EXPORT), {"space": space.pk, "form": "yaml"}).status_code == 403
    assert not Connector.objects.exists()
