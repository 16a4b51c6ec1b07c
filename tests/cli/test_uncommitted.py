"""Files are changed only if git has them as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from inithealth.cli.errors import BadInput
from inithealth.cli.uncommitted import refuse_uncommitted
from tests.cli.conftest import folder  # noqa: F401
from tests.cli.test_fix import git, source  # noqa: F401


def test_a_committed_file_is_accepted(source: Path) -> None:  # noqa: F811
    refuse_uncommitted([source])


def test_names_are_not_patterns(source: Path) -> None:  # noqa: F811
    for name in ("[u]nfit.py", ":!unfit.py", "-q", "*"):
        path = source.with_name(name)
        path.write_text("")
        with pytest.raises(BadInput, match="is not in git"):
            refuse_uncommitted([source, path])


def test_a_deleted_file_is_rejected(source: Path) -> None:  # noqa: F811
    source.unlink()
    with pytest.raises(BadInput, match="has uncommitted changes"):
        refuse_uncommitted([source])


def test_a_link_is_judged_by_the_file_that_it_leads_to(source: Path) -> None:  # noqa: F811
    link = source.with_name("link.py")
    link.symlink_to(source)
    refuse_uncommitted([link])
    source.write_text("changed")
    with pytest.raises(BadInput, match="has uncommitted changes"):
        refuse_uncommitted([link])


def test_without_git_nothing_is_accepted(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BadInput, match="is not in git"):
        refuse_uncommitted([source])


def test_staged_changes_are_uncommitted(source: Path) -> None:  # noqa: F811
    source.write_text("changed = True\n")
    git("add", "mine/unfit.py")
    with pytest.raises(BadInput, match="has uncommitted changes"):
        refuse_uncommitted([source])
