"""Rules that fire at given times."""

from rules.types.schedule.schedule import ScheduleRule

rule_type = ScheduleRule()
"""The rule type ``schedule``."""
