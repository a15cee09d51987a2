"""Each type of connector goes through a running installation to its destination; the transcript tells what arrived."""

import io
import re
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from connectors.types.registry import own_types
from tests.connectors.types.discord import receiver as discord
from tests.connectors.types.teams import receiver as teams
from tests.services.transcripts.declared import Walk
from tests.services.transcripts.table import CLICKSEND_KEY, FAMILIES, walks_of
from tests.services.transcripts.walking import Told, transcribe

# Of secrets that are addresses, the part that lets people in.
KEYS = (discord.KEY, teams.SIGNATURE, CLICKSEND_KEY)
CREDENTIALS = re.compile(r"\b(?:basic|bearer|geniekey|apikey) (?!<secret>)\S+", re.IGNORECASE)
# Types whose messages have a life: something opens, changes and ends.
LIVES = ("pagerduty", "opsgenie", "jira_service_management", "jira", "servicenow")
REAL = r"Real servers: aiosmtpd [\d.]+, Kafka [\d.]+, mosquitto [\d.]+, (?:PostgreSQL [\d.]+, )?Redis [\d.]+\.\n"


def test_every_type_has_a_place_in_a_transcript() -> None:
    places = [walk.type_id for walk in walks_of(FAMILIES)]
    left_out = set() if find_spec("apprise") else {"apprise"}
    assert sorted(places) == sorted(own_types().keys() - left_out)


# One test, so that one installation does for all of it.
@pytest.mark.timeout(300)
def test_what_events_say_arrives_everywhere_escaped_for_its_target_and_no_secret_is_told(tmp_path: Path) -> None:
    output = io.StringIO()
    told = transcribe(walks_of(FAMILIES), tmp_path, lambda text: output.write(f"{text}\n"))
    text = output.getvalue()
    assert re.search(REAL, text)
    assert {each.walk.family for each in told} == set(FAMILIES)
    assert_each_step_is_delivered_and_arrives(text, told)
    for walk in walks_of(FAMILIES):
        assert_the_text_arrives_escaped(walk, part_of(text, walk), told)
    assert_no_secret_is_told(text, told)


def part_of(text: str, walk: Walk) -> str:
    """Return what was written of one walk."""
    (part,) = [part for part in text.split("\n==== ") if part.startswith(f"{walk.name} ({walk.type_id}).")]
    return part


def assert_each_step_is_delivered_and_arrives(text: str, told: Sequence[Told]) -> None:
    for each in told:
        came = "\n".join(f"{arrival.line}\n{arrival.headers}\n{arrival.body}" for arrival in each.arrivals)
        assert [part for part in each.step.arrives if part not in came] == []
    steps = Counter(each.walk.type_id for each in told)
    assert [steps[type_id] for type_id in LIVES] == [3] * len(LIVES)
    assert text.count('"state": "delivered"') == text.count(" received:\n") == len(told)
    assert text.count("\n< 200 passed\n") == len(steps)


def assert_the_text_arrives_escaped(walk: Walk, part: str, told: Sequence[Told]) -> None:
    first = next(each for each in told if each.walk == walk)
    (arrival,) = [each for each in first.arrivals if walk.escaped in each.body]
    received = part.partition(f"\n{walk.name} received:\n")[2].partition("\n== ")[0]
    assert arrival.line in received or "<secret>" in received
    for line in walk.escaped.split("\n"):
        assert line in received


def assert_no_secret_is_told(text: str, told: Sequence[Told]) -> None:
    for each in told:
        # What is a secret of one may be the public name of another.
        assert [secret for secret in each.secrets if secret in part_of(text, each.walk)] == []
    assert [key for key in KEYS if key in text] == []
    assert CREDENTIALS.findall(text) == []
    assert "sy_" not in text
