"""Rules that compare what many events come to with a threshold."""

from rules.types.threshold.threshold import ThresholdRule

rule_type = ThresholdRule()
"""The rule type ``threshold``."""
