"""Refuses to change a file that git could not restore."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from inithealth.cli.errors import BadInput

_QUIET = {"GIT_LITERAL_PATHSPECS": "1", "GIT_OPTIONAL_LOCKS": "0"}  # names are no patterns; nothing is written


def refuse_uncommitted(paths: Sequence[Path]) -> None:
    """Raise BadInput unless git has each file as it is."""
    for path in paths:
        if _git(path, "ls-files", "--error-unmatch") is None:
            raise BadInput(f"{path} is not in git, which could not restore it: use --diff")
        changes = _git(path, "status", "--porcelain")
        if changes is None or changes.strip():
            raise BadInput(f"{path} has uncommitted changes: commit or stash them first, or use --diff")


def _git(path: Path, *command: str) -> bytes | None:
    """Return the output of a git command on a file; None if it fails, or there is no git."""
    # A link is what git has, not the file that it leads to.
    real = Path(os.path.realpath(path))
    try:
        done = subprocess.run(
            ["git", *command, "--", real.name], cwd=real.parent, env={**os.environ, **_QUIET}, capture_output=True
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
