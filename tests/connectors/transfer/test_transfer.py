"""What is exported can be imported elsewhere, whole or not at all, and secrets never travel."""

import json
from typing import Any

import pytest

from actions.models import Action
from actions.services import update_action
from connectors.models import Connector, Status
from connectors.outcomes import Reason
from connectors.services import CannotOpen, duplicate_connector, open_connection, update_connector
from connectors.transfer.documents import Entry, read_file, write_file
from connectors.transfer.exporting import export_objects
from connectors.transfer.importing import Conflicts, ImportReport, import_objects
from connectors.transfer.kinds import Reference
from rules.links import Link
from rules.models import Rule
from rules.services.rules import described
from spaces.errors import InvalidInput
from spaces.models import AuditEntry, Space
from tests.factories import make_action, make_connector, make_rule, make_space

pytestmark = pytest.mark.django_db

CANARY = "S3CR3T-canary-transfer"


@pytest.fixture
def source() -> Space:
    """A space with a rule, its two actions and their connectors, one of them with secrets."""
    space = make_space()
    desk = make_connector(
        space,
        "https://desk.example/hook",
        public_id="desk",
        name="Desk",
        auth="bearer",
        secrets={"token": CANARY, "headers": f"X-Extra: {CANARY}"},
    )
    plain = make_connector(space, public_id="plain", name="Plain")
    tell = make_action(desk, name="Tell", public_id="tell", params={"body": {"text": "{{ event.type }}"}})
    log = make_action(
        plain,
        name="Log",
        public_id="log",
        max_attempts=3,
        expires_after=60,
        retry={"delays": [1.0, 60.0], "never_retry_on": ["500-599"]},
        timeout=5.0,
        max_per_second=2.5,
        max_concurrency=4,
        ordering_key="{{ event.source }}",
    )
    condition = "event.data.total > 1.0"
    make_rule(
        space,
        name="Big",
        public_id="big",
        params={"event_types": ["order.*"], "subjects": ["shops/+/orders"]},
        condition=condition,
        actions=[tell, log],
        tags=["money"],
    )
    return space


@pytest.fixture
def target() -> Space:
    return make_space()


def whole(space: Space) -> list[Entry]:
    return read_file(write_file(space.slug, export_objects(space).documents, "ndjson"))


def entry(**value: Any) -> Entry:
    return Entry(1, {"type": "connector", "name": "X", "connector_type_id": "http", **value})


def results(report: ImportReport) -> dict[str, str]:
    return {each.file_id: each.result.value for each in report.objects}


# --- Export ---


@pytest.mark.parametrize("form", ["ndjson", "yaml"])
def test_a_rule_that_runs_by_itself_comes_in_as_it_went_out(target: Space, form: Any) -> None:
    space = make_space()
    tell, log = (make_action(make_connector(space, public_id=each), public_id=each) for each in ("tell", "log"))
    make_rule(
        space,
        public_id="down",
        type="connector_health",
        params={"connectors": ["tell"], "for_seconds": 90},
        actions=[Link(tell, "disconnected", "interval", 3600), Link(tell, "recovered"), Link(log, frequency="each")],
        interval=45,
        delay=3,
        flapping_look_back=9,
        flapping_threshold=2,
        muted=True,
        tags=["ops"],
        enabled=False,
    )
    file = read_file(write_file(space.slug, export_objects(space).documents, form))
    import_objects(target, file)
    came, went = (described(Rule.objects.get(space=each, public_id="down")) for each in (target, space))
    assert came == went
    assert [row.interval for row in Rule.objects.filter(space=target)] == [45]
    import_objects(target, file, conflicts=Conflicts.OVERWRITE)
    assert described(Rule.objects.get(space=target, public_id="down")) == went


def test_a_whole_space_is_exported_in_an_order_in_which_it_can_be_made(source: Space) -> None:
    export = export_objects(source)
    assert [(each["type"], each["id"]) for each in export.documents] == [
        ("connector", "desk"),
        ("connector", "plain"),
        ("action", "log"),
        ("action", "tell"),
        ("rule", "big"),
    ]
    assert export.missing == []


@pytest.mark.parametrize("form", ["ndjson", "yaml"])
def test_no_secret_is_exported_and_their_names_are(source: Space, form: Any) -> None:
    data = write_file(source.slug, export_objects(source).documents, form)
    assert CANARY.encode() not in data
    assert export_objects(source).documents[0]["missing_secrets"] == ["headers", "token"]


def test_what_is_chosen_brings_along_what_it_refers_to(source: Space) -> None:
    chosen = [Reference("action", "log")]
    assert [each["id"] for each in export_objects(source, chosen).documents] == ["plain", "log"]
    assert len(export_objects(source, [Reference("rule", "big")]).documents) == 5


def test_without_references_the_export_says_what_is_missing(source: Space) -> None:
    export = export_objects(source, [Reference("action", "log")], include_references=False)
    assert [each["id"] for each in export.documents] == ["log"]
    assert export.missing == [Reference("connector", "plain")]


def test_an_unknown_object_is_named(source: Space, target: Space) -> None:
    with pytest.raises(InvalidInput, match='There is no connector "desk" in this space'):
        export_objects(target, [Reference("connector", "desk")])


def test_an_export_is_audited(source: Space) -> None:
    export_objects(source)
    assert AuditEntry.objects.get(action="space.export").after == {"connector": 2, "action": 2, "rule": 1}


# --- Import ---


def test_an_export_makes_the_same_space_elsewhere(source: Space, target: Space) -> None:
    report = import_objects(target, whole(source))
    assert report.is_applied
    assert report.counts == {"created": 5}
    assert export_objects(target).documents == export_objects(source).documents
    assert Rule.objects.get(space=target).links.count() == 2


def test_a_connector_arrives_without_its_secrets_and_cannot_be_used(source: Space, target: Space) -> None:
    report = import_objects(target, whole(source))
    assert {each.file_id: each.missing_secrets for each in report.objects}["desk"] == ["token", "headers"]
    desk = Connector.objects.get(space=target, public_id="desk")
    assert (desk.is_missing_secrets, desk.status) == (True, Status.MISSING_SECRETS)
    with pytest.raises(CannotOpen) as refusal:
        open_connection(desk)
    assert refusal.value.reason is Reason.MISSING_SECRETS


def test_one_that_lacks_only_optional_secrets_is_not_used_silently_either(target: Space) -> None:
    import_objects(target, [entry(id="x", config={"url": "https://a.example"}, missing_secrets=["headers"])])
    row = Connector.objects.get(space=target)
    assert row.missing_secrets == ["headers"]
    with pytest.raises(CannotOpen, match="headers"):
        open_connection(row)


def test_entering_the_secrets_fixes_it(source: Space, target: Space) -> None:
    import_objects(target, whole(source))
    desk = Connector.objects.get(space=target, public_id="desk")
    desk = update_connector(desk, secrets={"token": "new"})
    assert (desk.missing_secrets, desk.is_missing_secrets) == (["headers"], True)
    desk = update_connector(desk, name="Renamed")
    assert desk.is_missing_secrets
    desk = update_connector(desk, secrets={"headers": "X-Extra: new"})
    assert (desk.missing_secrets, desk.is_missing_secrets, desk.status) == ([], False, Status.UNKNOWN)
    open_connection(desk)


def test_a_secret_that_is_not_needed_can_be_given_up(target: Space) -> None:
    import_objects(target, [entry(id="x", config={"url": "https://a.example"}, missing_secrets=["headers"])])
    row = update_connector(Connector.objects.get(space=target), secrets={"headers": None})
    assert not row.is_missing_secrets


def test_a_copy_is_flagged_for_every_secret_of_the_original(source: Space) -> None:
    copied = duplicate_connector(Connector.objects.get(space=source, public_id="desk"))
    assert sorted(copied.missing_secrets) == ["headers", "token"]


def test_secrets_in_the_file_are_set(target: Space) -> None:
    data = json.dumps(
        dict(entry(id="x", config={"url": "https://a.example", "auth": "bearer"}, secrets={"token": CANARY}).value)
    )
    report = import_objects(target, read_file(data.encode()))
    assert report.is_applied
    row = Connector.objects.get(space=target)
    assert row.secrets.open()["token"].get_secret_value() == CANARY
    assert CANARY not in repr(report)
    assert CANARY not in str(list(AuditEntry.objects.values()))


def test_one_that_fails_keeps_all_from_being_imported(source: Space, target: Space) -> None:
    broken = [*whole(source), entry(id="bad", config={"url": "ftp://a.example"})]
    report = import_objects(target, broken)
    assert (report.is_applied, report.has_failed) == (False, True)
    assert report.objects[-1].errors[0].pointer == "/config/url"
    assert not Connector.objects.filter(space=target).exists()
    assert not AuditEntry.objects.filter(action="space.import").exists()


def test_what_refers_to_one_that_failed_fails_with_it(target: Space) -> None:
    action = Entry(2, {"type": "action", "id": "a", "name": "A", "connector": "bad"})
    report = import_objects(target, [action, entry(id="bad", config={})])
    assert results(report) == {"a": "failed", "bad": "failed"}
    assert report.objects[0].errors[0].detail == 'The connector "bad" of this file cannot be imported.'


def test_a_dry_run_tells_the_same_and_changes_nothing(source: Space, target: Space) -> None:
    report = import_objects(target, whole(source), dry_run=True)
    assert (report.is_applied, report.has_failed, report.counts) == (False, False, {"created": 5})
    assert not Connector.objects.filter(space=target).exists()
    assert not AuditEntry.objects.filter(space=target, action="connector.create").exists()


def test_by_default_a_taken_id_is_refused(source: Space) -> None:
    report = import_objects(source, whole(source))
    assert set(results(report).values()) == {"failed"}
    assert report.objects[0].errors[0].pointer == "/id"


def test_skip_keeps_what_is_there_and_lets_the_rest_refer_to_it(source: Space, target: Space) -> None:
    make_connector(target, "https://mine.example", public_id="desk", name="Mine")
    report = import_objects(target, whole(source), conflicts=Conflicts.SKIP)
    assert results(report) == {
        "desk": "skipped",
        "plain": "created",
        "log": "created",
        "tell": "created",
        "big": "created",
    }
    assert Action.objects.get(space=target, public_id="tell").connector == Connector.objects.get(
        space=target, name="Mine"
    )


def test_overwrite_makes_them_alike_and_again_changes_nothing(source: Space, target: Space) -> None:
    import_objects(target, whole(source))
    Connector.objects.filter(space=target, public_id="plain").update(name="Drifted")
    assert results(import_objects(target, whole(source), conflicts=Conflicts.OVERWRITE)) == {
        "desk": "unchanged",
        "plain": "overwritten",
        "log": "unchanged",
        "tell": "unchanged",
        "big": "unchanged",
    }
    versions = list(Connector.objects.order_by("pk").values_list("version", flat=True))
    again = import_objects(target, whole(source), conflicts=Conflicts.OVERWRITE)
    assert again.counts == {"unchanged": 5}
    assert list(Connector.objects.order_by("pk").values_list("version", flat=True)) == versions


def test_overwrite_keeps_secrets_for_the_same_target(source: Space) -> None:
    renamed = [Entry(1, {**each.value, "name": "New name"}) for each in whole(source)[:1]]
    assert results(import_objects(source, renamed, conflicts=Conflicts.OVERWRITE)) == {"desk": "overwritten"}
    desk = Connector.objects.get(space=source, public_id="desk")
    assert desk.secrets.open()["token"].get_secret_value() == CANARY
    assert not desk.is_missing_secrets


def test_overwrite_never_sends_secrets_to_another_target(source: Space) -> None:
    (desk,) = whole(source)[:1]
    moved = Entry(1, {**desk.value, "config": {**desk.value["config"], "url": "https://evil.example"}})
    report = import_objects(source, [moved], conflicts=Conflicts.OVERWRITE)
    assert sorted(report.objects[0].missing_secrets) == ["headers", "token"]
    row = Connector.objects.get(space=source, public_id="desk")
    assert (row.secrets.open(), row.status) == ({}, Status.MISSING_SECRETS)


def test_new_ids_makes_a_second_set_that_refers_to_itself(source: Space) -> None:
    report = import_objects(source, whole(source), conflicts=Conflicts.NEW_IDS)
    assert report.counts == {"created": 5}
    new = {each.file_id: each.id for each in report.objects}
    assert not set(new.values()) & set(new)
    rule = Rule.objects.get(space=source, public_id=new["big"])
    assert [link.action.public_id for link in rule.links.all()] == [new["tell"], new["log"]]
    action = Action.objects.get(space=source, public_id=new["tell"])
    assert action.connector is not None
    assert action.connector.public_id == new["desk"]


def test_what_another_space_has_cannot_be_referred_to(source: Space, target: Space) -> None:
    action = Entry(1, {"type": "action", "id": "a", "name": "A", "connector": "desk"})
    report = import_objects(target, [action])
    assert report.objects[0].errors[0].detail == 'There is no connector "desk", neither in this file nor in this space.'


def test_a_preconfigured_connector_is_referred_to_and_never_overwritten(target: Space) -> None:
    config = {"url": "https://a.example"}
    Connector.objects.create(space=None, public_id="shared", name="Shared", type="http", config=config)
    action = Entry(2, {"type": "action", "id": "a", "name": "A", "connector": "shared"})
    assert import_objects(target, [action]).is_applied
    export = export_objects(target)
    assert [each["id"] for each in export.documents] == ["a"]
    assert export.missing == [Reference("connector", "shared")]
    mine = entry(id="shared", config=config)
    assert import_objects(target, [mine]).has_failed
    assert import_objects(target, [mine], conflicts=Conflicts.SKIP).counts == {"skipped": 1}
    refused = import_objects(target, [mine], conflicts=Conflicts.OVERWRITE)
    assert "preconfigured" in refused.objects[0].errors[0].detail


HOSTILE = [
    ({"id": "../../etc/passwd", "config": {"url": "https://a.example"}}, "/id"),
    ({"id": "x", "config": {"url": "https://a.example"}, "space": "other"}, "/space"),
    ({"id": "x", "config": {"url": "https://a.example"}, "is_missing_secrets": False}, "/is_missing_secrets"),
    ({"id": "x", "config": {"url": "https://a.example", "nope": 1}}, "/config/nope"),
    ({"id": "x", "config": {"url": "http://169.254.169.254/"}}, "/config/url"),
    ({"id": "x", "config": [], "name": "X"}, "/config"),
    ({"id": 7, "config": {}}, "/id"),
    ({"id": "x", "connector_type_id": "pigeon"}, "/connector_type_id"),
    (
        {"id": "x", "config": {"url": "https://a.example"}, "secrets": {"former_signing_secrets": "x"}},
        "/secrets/former_signing_secrets",
    ),
    ({"id": "x", "name": "a\u202eb", "config": {"url": "https://a.example"}}, "/name"),
    ({"id": "x", "type": "user"}, "/type"),
    ({"id": "x", "type": ["connector"]}, "/type"),
    ({"id": "x", "config": {"url": "https://a.example"}, "health_interval": 1}, "/health_interval"),
    ({"id": "x", "config": {"url": "https://a.example"}, "max_concurrency": 0}, "/max_concurrency"),
    ({"id": "x", "config": {"url": "https://a.example"}, "max_per_second": -1}, "/max_per_second"),
]


@pytest.mark.parametrize(("value", "pointer"), HOSTILE)
def test_a_hostile_object_is_refused_with_its_place(target: Space, value: dict[str, Any], pointer: str) -> None:
    report = import_objects(target, [entry(**value)])
    assert [each.pointer for each in report.objects[0].errors] == [pointer]


def test_an_id_that_stands_twice_is_refused(target: Space) -> None:
    twice = [entry(id="x", config={"url": "https://a.example"})] * 2
    assert "stands in this file twice" in import_objects(target, twice).objects[1].errors[0].detail


def test_a_fallback_travels_and_comes_before_the_action_that_names_it(source: Space, target: Space) -> None:
    tell, log = source.actions.get(public_id="tell"), source.actions.get(public_id="log")
    update_action(log, fallback=tell)  # "log" is first by name
    entries = whole(source)
    assert [each.value["id"] for each in entries if each.value["type"] == "action"] == ["tell", "log"]
    backwards = sorted(entries, key=lambda each: entries.index(each), reverse=True)
    assert import_objects(target, backwards).is_applied
    arrived = target.actions.get(public_id="log")
    assert (arrived.fallback, arrived.fallback_id) == (target.actions.get(public_id="tell"), arrived.fallback_id)
    assert whole(target) == entries
    assert export_objects(source, [Reference("action", "log")]).documents[-2]["id"] == "tell"


def test_fallbacks_that_go_round_in_a_file_are_refused(source: Space, target: Space) -> None:
    entries = [
        Entry(each.line, {**each.value, "fallback": {"tell": "log", "log": "tell"}[each.value["id"]]})
        if each.value["type"] == "action"
        else each
        for each in whole(source)
    ]
    report = import_objects(target, entries)
    assert {each.file_id for each in report.objects if each.result.value == "failed"} >= {"tell", "log"}
    assert not target.actions.exists()
