"""What comes out as CSV is what went in, and no spreadsheet runs any of it."""

import csv
import io

import pytest
from django.contrib.auth.models import User
from django.http import StreamingHttpResponse
from django.test import Client

from spaces import audit
from spaces.audit import Actor, Kind, acting
from spaces.models import AuditEntry
from spaces.services.audit_export import COLUMNS
from spaces.spreadsheets import BYTE_ORDER_MARK, write_csv
from tests.api.client import Api
from tests.factories import make_space

FORMULAS = [
    '=HYPERLINK("http://evil.example","x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "|x",
    "%0A",
    "  =1",
    "＝1",
]


def read(text: str) -> list[list[str]]:
    assert text.startswith(BYTE_ORDER_MARK)
    return list(csv.reader(io.StringIO(text.removeprefix(BYTE_ORDER_MARK), newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_stays_text(text: str) -> None:
    assert read("".join(write_csv(["a"], [[text]]))) == [["a"], [f"'{text}"]]


@pytest.mark.parametrize("text", ["plain", 'a "quoted" one', "a,b;c", "two\nlines", "1-2", "a=b", "café 😀", ""])
def test_any_other_text_comes_out_as_it_went_in(text: str) -> None:
    assert read("".join(write_csv(["a", "b"], [[text, 7]]))) == [["a", "b"], [text, "7"]]


def test_a_table_goes_out_line_by_line() -> None:
    lines = write_csv(["n"], ([number] for number in iter(range(10**9).__iter__().__next__, None)))
    assert [next(lines).strip(BYTE_ORDER_MARK + "\r\n") for _ in range(3)] == ["n", "0", "1"]


@pytest.mark.django_db
def test_the_audit_log_is_exported_with_its_filters_and_without_formulas() -> None:
    space, elsewhere = make_space(), make_space()
    with acting(lambda: Actor(Kind.USER, "=cmd|'/C calc'!A0", "10.1.2.3")):
        audit.record("rule.update", space=space, object_id="r", object_name="@x", before={"a": "é"}, after={"a": 1})
        audit.record("rule.update", space=elsewhere, object_id="hidden")
        audit.record("rule.delete", space=space, object_id="r")
    answer = Api(space).fetch("GET", "audit/_export", b"", query={"action": "rule.update"}, accept="*/*")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment;")
    head, row = read(answer.content.decode())
    assert tuple(head) == COLUMNS
    entry = dict(zip(COLUMNS, row, strict=True))
    assert (entry["actor"], entry["object_name"], entry["address"]) == ("'=cmd|'/C calc'!A0", "'@x", "10.1.2.3")
    assert (entry["before"], entry["after"]) == ('{"a": "é"}', '{"a": 1}')


@pytest.mark.django_db
def test_all_of_a_long_log_is_exported_each_entry_once() -> None:
    space = make_space()
    AuditEntry.objects.bulk_create(
        AuditEntry(space=space, actor_kind=Kind.SYSTEM, actor="x", action="a.b", object_id=str(n)) for n in range(2500)
    )
    rows = read(Api(space).fetch("GET", "audit/_export", b"", query={"action": "a.b"}).content.decode())[1:]
    assert [row[7] for row in rows] == [str(n) for n in reversed(range(2500))]


@pytest.mark.django_db
def test_the_console_exports_what_its_list_shows() -> None:
    audit.record("rule.update", space=make_space(), object_id="one")
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    page = client.get("/admin/spaces/auditentry/export/")
    assert isinstance(page, StreamingHttpResponse)
    assert b"one" in page.getvalue()
