"""The tags that the plugin's tab reads, and the limits of what is written. Only constants: the plugin imports them."""

from __future__ import annotations

PLUGIN = "init_health"  # name of the plugin: its data, and its address data/plugin/init_health/
VERSION = 1  # of the tags' contents; written into each tag
STRUCTURE = "init_health/structure"  # JSON, once
STATE = "init_health/state"  # JSON, when the findings change
FIRST_STEP = "init_health/first_step"  # the values of the first step, so that no sampling can drop it
STEPS = "init_health/steps"  # the values of each written step
TAGS = (STRUCTURE, STATE, FIRST_STEP, STEPS)
