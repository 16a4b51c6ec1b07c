"""The CI templates use valid commands of the command line."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from inithealth.cli.main import FORMATS, parser

ROOT = Path(__file__).parents[1]


def commands(value: Any) -> list[str]:
    """Return every inithealth command in a file, at any position."""
    if isinstance(value, dict):
        return [found for item in value.values() for found in commands(item)]
    if isinstance(value, list):
        return [found for item in value for found in commands(item)]
    return [value] if isinstance(value, str) and value.startswith("inithealth ") else []


@pytest.mark.parametrize("name", ["examples/ci/github.yml", "examples/ci/gitlab.yml", ".pre-commit-hooks.yaml"])
def test_each_command_is_valid(name: str) -> None:
    found = commands(yaml.safe_load((ROOT / name).read_text()))
    assert found
    for command in found:
        words = shlex.split(command)[1:]
        options = parser().parse_args(words if len(words) > 1 else [*words, "package.models:build"])
        assert {text.partition("=")[0] for text in options.output_format or ()} <= set(FORMATS)


def test_the_training_job_keeps_the_exit_status_of_the_training(tmp_path: Path) -> None:
    import subprocess

    script = (ROOT / "examples" / "ci" / "training.sh").read_text()
    (tmp_path / "python").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "inithealth").write_text('#!/bin/sh\necho "$@" > shown\n')
    for name in ("python", "inithealth"):
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=tmp_path, env={"PATH": f"{tmp_path}:/bin:/usr/bin"}, check=False
    )
    assert done.returncode == 3
    shown = (tmp_path / "shown").read_text()
    assert parser().parse_args(shlex.split(shown)).report == "init-health.json"
