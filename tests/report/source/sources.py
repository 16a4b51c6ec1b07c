"""Model files in a repository of their own, and the reports of their models."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest
import torch

import inithealth
from inithealth import Report

_NUMBERS = itertools.count()
HEAD = "import torch\nfrom torch import nn\n\n\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty repository, which is the current folder."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, body: str, head: str = HEAD, name: str = "model.py") -> Path:
    """Write a file, whose body may be indented."""
    path = folder / name
    path.write_text(head + textwrap.dedent(body).lstrip("\n"), encoding="utf-8")
    return path


def loaded(path: Path) -> ModuleType:
    """Import a file as a new module."""
    spec = importlib.util.spec_from_file_location(f"{path.stem}_{next(_NUMBERS)}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # `inspect` looks classes up there
    spec.loader.exec_module(module)
    return module


def report_of(path: Path, verify: bool = False) -> Report:
    """Return the report of ``Net()`` in a file, whose input has 16 features."""
    torch.manual_seed(0)
    model = loaded(path).Net()
    return inithealth.check(model, torch.randn(32, 16), verify=verify)
