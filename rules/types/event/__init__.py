"""Rules that look at each event by itself."""

from rules.types.event.event import EventRule

rule_type = EventRule()
