"""Each type of connector goes through a running installation to its destination; the transcript tells what arrived."""

import io
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path

import pytest

from connectors.types.registry import own_types
from tests.kafka_broker import KafkaBroker
from tests.services.transcripts.declared import Surroundings
from tests.services.transcripts.found import Found, families, walks
from tests.services.transcripts.walking import Told, transcribe

FAMILIES = {"brokers", "mail", "chat", "on-call", "tickets", "search", "models", "logs"}
CREDENTIALS = re.compile(r"\b(?:basic|bearer|geniekey|apikey) (?!<secret>)\S+", re.IGNORECASE)
# Types whose messages have a life: something opens, changes and ends.
LIVES = ("pagerduty", "opsgenie", "jira_service_management", "jira", "servicenow")
REAL = r"Real servers: aiosmtpd [\d.]+, Kafka [\d.]+, mosquitto [\d.]+, (?:PostgreSQL [\d.]+, )?Redis [\d.]+\.\n"


def test_every_type_has_a_place_in_a_transcript() -> None:
    left_out = set() if find_spec("apprise") else {"apprise"}
    assert sorted(found.type.id for found in walks()) == sorted(own_types().keys() - left_out)
    assert set(families(walks())) >= FAMILIES


# One test, so that one installation does for all of it.
@pytest.mark.timeout(300)
def test_what_events_say_arrives_everywhere_escaped_for_its_target_and_no_secret_is_told(
    tmp_path: Path, kafka: KafkaBroker
) -> None:
    output = io.StringIO()
    told = transcribe(
        walks(), Surroundings(tmp_path, lambda: nullcontext(kafka)), lambda text: output.write(f"{text}\n")
    )
    text = output.getvalue()
    assert re.search(REAL, text)
    assert {each.found.type.id for each in told} == {found.type.id for found in walks()}
    assert_each_step_is_delivered_and_arrives(text, told)
    for found in walks():
        assert_the_text_arrives_escaped(found, part_of(text, found), told)
    assert_no_secret_is_told(text, told)


def part_of(text: str, found: Found) -> str:
    """Return what was written of one walk."""
    begins = f"{found.type.name} ({found.type.id})."
    (part,) = [part for part in text.split("\n==== ") if part.startswith(begins)]
    return part


def assert_each_step_is_delivered_and_arrives(text: str, told: Sequence[Told]) -> None:
    for each in told:
        came = "\n".join(f"{arrival.line}\n{arrival.headers}\n{arrival.body}" for arrival in each.arrivals)
        assert [part for part in each.step.arrives if part not in came] == []
    steps = Counter(each.found.type.id for each in told)
    assert [steps[type_id] for type_id in LIVES] == [3] * len(LIVES)
    assert text.count('"state": "delivered"') == text.count(" received:\n") == len(told)
    assert text.count("\n< 200 passed\n") == len(steps)


def assert_the_text_arrives_escaped(found: Found, part: str, told: Sequence[Told]) -> None:
    escaped = found.walk.escaped
    first = next(each for each in told if each.found == found)
    assert [arrival for arrival in first.arrivals if escaped in arrival.body]
    received = part.partition(f"\n{found.type.name} received:\n")[2].partition("\n== ")[0]
    assert [line for line in escaped.split("\n") if line not in received] == []


def assert_no_secret_is_told(text: str, told: Sequence[Told]) -> None:
    for each in told:
        # What is a secret of one may be the public name of another.
        assert [secret for secret in each.secrets if secret in part_of(text, each.found)] == []
        # Of secrets that are addresses, the part that lets people in.
        assert [key for key in each.found.walk.keys if key in text] == []
    assert CREDENTIALS.findall(text) == []
    assert "sy_" not in text
