"""Rules that watch whether URLs answer as they should."""

from rules.types.http_check.http_check import HttpCheckRule

rule_type = HttpCheckRule()
"""The rule type ``http_check``."""
