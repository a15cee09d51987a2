"""The ten rules in plain Python, which costs less than any expression engine."""

from bench.load import EVENT_TYPE, SITES
from bench.naive.models import Event

RULES = {f"rule-{number}": f"s{number}" for number in range(SITES)}


def matching(event: Event) -> list[str]:
    """Return the names of the rules that match."""
    return [
        name
        for name, site in RULES.items()
        if event.type == EVENT_TYPE and event.data["temperature"] > 30.0 and event.data["site"] == site
    ]
