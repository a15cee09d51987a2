"""A rule type that is installed by its folder alone: it finds what a test says."""

import threading
from collections.abc import Callable

from pydantic import Field

from rules.types.base import Finding, Params, Report, Run, ScheduledRuleType


class SampleParams(Params):
    """What to look at."""

    place: str = Field("here", title="Place")


class SampleRule(ScheduledRuleType[SampleParams]):
    """Reports what ``found`` says by place; one whose place hangs waits until ``released`` is set."""

    id = "sample"
    name = "Sample"
    description = "What a test says."
    params_model = SampleParams
    action_groups = {"high": "High", "low": "Low"}
    time_limit = 0.5

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Find nothing, anywhere."""
        self.found: Callable[[SampleParams, Run], Report] = lambda *_: Report()
        self.released = threading.Event()
        self.looks: list[str] = []

    def find(self, *findings: Finding) -> None:
        """Find these, everywhere, from now on."""
        self.found = lambda *_: Report(findings)

    def run(self, params: SampleParams, run: Run) -> Report:
        """Look as the test says."""
        self.looks.append(params.place)
        if params.place == "hanging":
            self.released.wait(60)
        return self.found(params, run)


rule_type = SampleRule()
