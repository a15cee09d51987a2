"""What holds for every connector type: each goes through the same table of systems that behave well or badly."""

import json
import logging
import re
import time
import traceback
from base64 import b64encode
from collections.abc import Iterator

import orjson
import pytest
from pydantic import SecretStr

from connectors.outcomes import MAX_ANSWER, Outcome
from connectors.steps import Step
from connectors.types.base import AnyConnection, AnyConnectorType, AnyMessage
from connectors.types.packages import check_declaration
from connectors.types.registry import all_types, get_type, own_types
from spaces.admin.schema_fields import SchemaFields
from tests.contract.harness import CANARY, TIMEOUT, Harness, Scenario, harnesses

HARNESSES = harnesses()
EACH_TYPE = pytest.mark.parametrize("connector_type", all_types().values(), ids=lambda found: found.id)
EACH_HARNESS = pytest.mark.parametrize("harness", HARNESSES, ids=lambda harness: harness.type_id)
EACH_SCENARIO = pytest.mark.parametrize(
    ("harness", "scenario"),
    [
        pytest.param(harness, scenario, id=f"{harness.type_id} {scenario.name}")
        for harness in HARNESSES
        for scenario in harness.scenarios
    ],
)
MESSAGES = 3
# Any of these in a text tells the secret, or most of it: base64 reads differently after 0, 1 and 2 other bytes.
TRACES = (
    CANARY,
    "S3CR3T-canary",
    *(b64encode(b"\0" * before + CANARY.encode()).decode()[4:-4] for before in range(3)),
)
# Where not even a connection stands, a probe fails as a message does.
UNREACHABLE = frozenset(
    {
        "refuses the connection",
        "hangs",
        "has no name",
        "has a certificate of an unknown authority",
        "has a certificate for another host",
        "has an expired certificate",
        "has a denied address",
    }
)
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


@EACH_HARNESS
def test_every_type_is_tried_against_every_system(harness: Harness) -> None:
    names = [scenario.name for scenario in harness.scenarios]
    assert len(names) == len(set(names))
    assert not harness.required - set(names)


@EACH_SCENARIO
def test_each_message_has_one_outcome_in_time_that_can_be_stored_and_tells_no_secret(
    harness: Harness,
    scenario: Scenario,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(logging.DEBUG), scenario.system() as connection:
        has_secrets = bool(get_type(harness.type_id).secrets_model.model_fields)
        assert any(CANARY in secret for secret in connection.secrets.plaintexts()) is has_secrets
        began = time.monotonic()
        outcomes = deliver(harness, connection)
        took = time.monotonic() - began
        told = [repr(outcomes), repr(connection), str(connection), repr(harness.message(1)), caplog.text]
    told += capfd.readouterr()
    assert sorted(outcome.key for outcome in outcomes) == list(range(MESSAGES))
    assert {outcome.reason for outcome in outcomes} == {scenario.expected}, outcomes
    assert scenario.expected in get_type(harness.type_id).results.values(), "results lack what happens here"
    assert took < TIMEOUT + 2
    for outcome in outcomes:
        assert 0 <= outcome.duration < TIMEOUT + 2
        check_can_be_stored(outcome)
    for text in told:
        assert not any(trace in text for trace in TRACES), text


@EACH_SCENARIO
def test_a_probe_ends_in_time_and_finds_what_keeps_messages_from_getting_there(
    harness: Harness, scenario: Scenario
) -> None:
    with scenario.system() as connection:
        began = time.monotonic()
        steps = probe(harness, connection)
        took = time.monotonic() - began
    assert took < TIMEOUT + 2
    assert all(step.reason.is_ok for step in steps[:-1])
    documented = list(get_type(harness.type_id).checks)
    assert {step.name for step in steps} <= set(documented), "checks lack a step"
    places = [documented.index(step.name) for step in steps]
    assert places == sorted(set(places)), "checks have another order"
    for step in steps:
        assert step.detail.endswith("."), step
        assert not UNSTORABLE.search(step.detail + step.advice)
        assert len(step.detail) < 2048
        assert 0 <= step.duration < TIMEOUT + 2
        assert not any(trace in f"{step.detail}{step.advice}" for trace in TRACES)
        assert step.reason.is_ok or step.advice, step
    if scenario.name in UNREACHABLE:
        assert steps[-1].reason is scenario.expected


@EACH_HARNESS
def test_a_probe_of_what_works_passes_every_step(harness: Harness) -> None:
    with scenario_of(harness, "accepts").system() as connection:
        assert all(step.reason.is_ok for step in probe(harness, connection))


@EACH_HARNESS
def test_no_secret_is_told_by_a_traceback_with_its_variables(harness: Harness) -> None:
    def broken() -> Iterator[AnyMessage]:
        yield harness.message(0)
        raise LookupError("the source of the messages broke")

    with scenario_of(harness, "accepts").system() as connection:
        with pytest.raises(LookupError) as caught:
            list(get_type(harness.type_id).deliver(connection, broken()))
        report = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "connection" in report
    assert not any(trace in report for trace in TRACES)


@EACH_HARNESS
def test_messages_are_pulled_only_when_there_is_room(harness: Harness) -> None:
    pulled = []

    def source() -> Iterator[AnyMessage]:
        for key in range(1000):
            pulled.append(key)
            yield harness.message(key)

    with scenario_of(harness, "accepts").system() as connection:
        outcomes = get_type(harness.type_id).deliver(connection, source())
        assert pulled == []
        next(outcomes)
        assert len(pulled) < 1000
        rest = list(outcomes)
    assert len(rest) == 999


@EACH_HARNESS
def test_no_messages_are_no_outcomes(harness: Harness) -> None:
    with scenario_of(harness, "accepts").system() as connection:
        assert list(get_type(harness.type_id).deliver(connection, [])) == []


@EACH_TYPE
def test_a_declaration_is_complete(connector_type: AnyConnectorType) -> None:
    assert all_types()[connector_type.id] is connector_type
    if connector_type.id in own_types():
        assert type(connector_type).__module__.startswith(f"connectors.types.{connector_type.id}")
    check_declaration(connector_type)
    assert connector_type.description.endswith(".")
    assert all(what.endswith(".") for what in connector_type.checks.values())
    for model in (connector_type.config_model, connector_type.secrets_model, connector_type.params_model):
        assert model.model_json_schema()["additionalProperties"] is False
        for name, field in model.model_fields.items():
            assert field.title, name
            assert (field.description or "").endswith("."), name
    connector_type.params_model.model_validate(connector_type.default_params())


@EACH_TYPE
def test_the_console_has_a_form_field_for_each_setting(connector_type: AnyConnectorType) -> None:
    for model in (connector_type.config_model, connector_type.params_model):
        section = SchemaFields(model, "config", "config", "/config")
        fields = section.build({})
        assert len(fields) == len(model.model_fields)
        required = {field.alias or name for name, field in model.model_fields.items() if field.is_required()}
        assert {name for name in section.properties if fields[section.form_name(name)].required} <= required


@EACH_TYPE
def test_secrets_are_secret_by_their_type_and_may_be_missing(connector_type: AnyConnectorType) -> None:
    assert connector_type.secrets_model.model_validate({}).plaintexts() == []
    for name, field in connector_type.secrets_model.model_fields.items():
        assert field.annotation == SecretStr | None, name


def check_can_be_stored(outcome: Outcome) -> None:
    said = [outcome.detail, outcome.request, outcome.response]
    text = json.dumps([*said, outcome.answer], allow_nan=False, ensure_ascii=False)
    assert not UNSTORABLE.search(json.loads(json.dumps(text)))
    assert "\\u0000" not in text
    assert len(json.dumps(said).encode()) < 64 * 1024
    assert len(orjson.dumps(outcome.answer)) <= MAX_ANSWER
    assert outcome.detail
    assert "\n" not in outcome.detail
    assert len(outcome.detail) < 2048


def deliver(harness: Harness, connection: AnyConnection) -> list[Outcome]:
    messages = (harness.message(key) for key in range(MESSAGES))
    return list(get_type(harness.type_id).deliver(connection, messages))


def probe(harness: Harness, connection: AnyConnection) -> list[Step]:
    return list(get_type(harness.type_id).probe(connection, timeout=TIMEOUT))


def scenario_of(harness: Harness, name: str) -> Scenario:
    return next(scenario for scenario in harness.scenarios if scenario.name == name)
