"""What a probe finds out, step by step."""

from dataclasses import dataclass
from typing import Literal

from connectors.outcomes import Reason

PROBE_TIMEOUT = 15.0  # seconds for all steps of one probe


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a probe. A failed step is the last one.

    ``name`` is what was tried, in one word: parse, resolve, policy, connect, tls, request, status ... ``detail`` and
    ``advice`` are lines for a person, free of secrets, and tell nothing about the inner network that the person did
    not write down. ``duration`` is in seconds. ``reason`` is OK, or why a delivery would fail now.
    """

    name: str
    detail: str
    duration: float = 0.0
    reason: Reason = Reason.OK
    advice: str = ""

    @property
    def outcome(self) -> Literal["passed", "failed"]:
        """What became of the step."""
        return "passed" if self.reason.is_ok else "failed"
