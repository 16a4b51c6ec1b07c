"""Targets given as a module, a dotted name or a file; the nearest name for a misspelled one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inithealth.cli.errors import BadInput
from inithealth.cli.locations import load

NET = "from torch import nn\nclass Net(nn.Module):\n    pass\n"


@pytest.fixture
def files(folder: Path) -> Iterator[Path]:
    """Create a file next to the package, one in `src` with an import, one in a package with a relative import."""
    (folder / "alone.py").write_text(f"{NET}class Block(nn.Module):\n    pass\n")
    (folder / "src").mkdir()
    (folder / "src" / "layers.py").write_text(NET)
    (folder / "src" / "only.py").write_text(
        "from torch import nn\nfrom layers import Net as Base\nclass Whole(Base): ...\n"
    )
    (folder / "mine" / "inner.py").write_text("from .nets import Net\nclass Deep(Net): ...\n")
    yield folder
    for name in ("alone", "layers", "only", "json_file"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mine.nets:Net", "mine.nets.Net"),
        ("mine.nets.Net", "mine.nets.Net"),
        ("mine.nets:Net.forward", "mine.nets.Net.forward"),
        ("mine.nets.Net.forward", "mine.nets.Net.forward"),
        ("alone.py:Net", "alone.Net"),
        ("./alone.py:Block", "alone.Block"),
        ("src/layers.py", "layers.Net"),
        ("./src/only.py", "only.Whole"),
        ("src/only.py:Whole", "only.Whole"),
        ("mine/inner.py", "mine.inner.Deep"),
        ("mine/inner.py:Deep", "mine.inner.Deep"),
        ("mine.inner", "mine.inner.Deep"),
        ("alone:Net", "alone.Net"),
    ],
)
def test_an_object_is_loaded_by_its_name(name: str, found: str, files: Path) -> None:
    value = load(name)
    assert f"{value.__module__}.{value.__qualname__}" == found
    assert load(name) is value


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("modles.py:Net", "no file modles.py in this folder"),
        ("alon.py:Net", "no file alon.py; did you mean alone.py?"),
        ("alone.py:Nett", "alone.py:Nett: unknown name 'Nett'; did you mean 'Net'?"),
        ("alone.py", "alone.py holds Net, Block: write alone.py:Net"),
        (
            "mine.missing",
            "importing mine.missing raised ModuleNotFoundError: No module named 'not_a_package_that_exists'",
        ),
        ("mine.nots:Net", "no module 'mine.nots' here; did you mean 'mine.nets'?"),
        ("mine.nots.Net", "mine.nots.Net: unknown name 'nots'"),
        ("mime.nets:Net", "no module 'mime' here; did you mean 'mine'?"),
        ("mine.nets.Nett", "unknown name 'Nett'; did you mean 'Net'?"),
        ("mine", "mine holds no nn.Module: write mine:function for one that returns a model"),
        ("nothing_like_it", "'nothing_like_it' is not a target: write package.module:name, path/file.py:name"),
        (":Net", "is not a target"),
        ("mine.nets:", "is not a target"),
    ],
)
def test_an_unknown_name_is_rejected(name: str, says: str, files: Path) -> None:
    with pytest.raises(BadInput) as raised:
        load(name)
    assert says in str(raised.value)


def test_a_file_with_the_name_of_an_imported_module(files: Path) -> None:
    (files / "json.py").write_text(NET)
    assert load("json.py").__module__ == "json_file"
    assert sys.modules["json"].dumps
