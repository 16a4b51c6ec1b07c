"""The names of the tab's tags."""

from __future__ import annotations

from inithealth.tensorboard.tab_tags import PLUGIN, TAGS


def test_the_tags_are_those_of_the_plugin() -> None:
    assert len(set(TAGS)) == 4
    assert all(tag.startswith(f"{PLUGIN}/") for tag in TAGS)
