"""Rules that watch whether events keep coming."""

from rules.types.absence.absence import AbsenceRule

rule_type = AbsenceRule()
"""The rule type ``absence``."""
