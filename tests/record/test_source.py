"""The line that builds each layer: in its parent's class, else the container's, else the class's."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from inithealth.record.class_source import definition
from inithealth.record.naming import Naming
from inithealth.record.source import sources

CODE = """
import torch
from torch import nn


def block(width):
    return nn.Sequential(nn.Linear(width, width), nn.ReLU())


def decorated(kind):
    return kind


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.inherited = nn.Linear(2, 2)  # inherited


@decorated
class Net(Base):
    def __init__(self, deep=True):
        super().__init__()
        self.plain = nn.Linear(2, 2)  # plain
        self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2)  # first second
        self.typed: nn.Module = nn.Linear(2, 2)  # typed
        self.net = nn.Sequential(  # net
            nn.Linear(2, 2),  # net.0
            nn.ReLU(),
            nn.Sequential(
                nn.Linear(2, 2),  # net.2.0
            ),
        )
        self.loop = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))  # loop.0 loop.2
        self.listed = nn.ModuleList([
            nn.Linear(2, 2),
            nn.Linear(2, 2),  # listed.1
        ])
        self.starred = nn.Sequential(*[nn.Linear(2, 2), nn.Linear(2, 2)])  # starred.0 starred.1
        self.named = nn.ModuleDict({
            "a": nn.Linear(2, 2),  # named.a
        })
        self.add_module("added", nn.Linear(2, 2))  # added
        for number in range(2):
            setattr(self, f"made{number}", nn.Linear(2, 2))
        if deep:
            self.either = nn.Linear(2, 2)  # either
        else:
            self.either = nn.Identity()
        self.scale = nn.Parameter(torch.ones(2, 2))  # scale
        self.helped = block(2)  # helped.0
        self.inner = Inner()


class Inner(nn.Module):  # inner.made0.0 inner
    def __init__(self):
        super().__init__()
        for number in range(2):
            setattr(self, f"made{number}", nn.Sequential(nn.Linear(2, 2)))
"""


def loaded(file: Path, code: str = CODE) -> Any:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(textwrap.dedent(code).encode())
    spec = util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


def of(model: nn.Module, *names: str) -> dict[str, str]:
    return sources(Naming(model).modules, names)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_each_layer_is_found_where_it_is_written(newline: str, repository: Path) -> None:
    module = loaded(repository / "pack" / f"written{len(newline)}.py", CODE.replace("\n", newline))
    wanted = {
        name: f"pack/written{len(newline)}.py:{number}"
        for number, line in enumerate(CODE.splitlines(), 1)
        for name in line.partition("  # ")[2].split()
        if name not in ("net", "inner")
    }
    assert of(module.Net(), *wanted) == wanted


def test_what_no_line_names_is_found_by_its_class(repository: Path) -> None:
    module = loaded(repository / "classes.py")
    line = next(number for number, text in enumerate(CODE.splitlines(), 1) if text.startswith("@decorated"))
    assert of(module.Net(), "made1")["made1"] in (f"classes.py:{line}", f"classes.py:{line + 1}")


def test_a_plain_container_has_no_line() -> None:
    assert of(nn.Sequential(nn.Linear(2, 2)), "0") == {}
    assert of(nn.Linear(2, 2), "") == {}


@pytest.mark.parametrize("make", ["exec", "gone", "broken"])
def test_a_class_without_a_source_has_no_line(make: str, repository: Path) -> None:
    if make == "exec":
        scope: dict[str, Any] = {"__name__": "shell"}
        exec(CODE, scope)
        model = scope["Net"]()
    else:
        file = repository / f"{make}.py"
        model = loaded(file).Net()
        file.write_text("class Net(:") if make == "broken" else file.unlink()
    assert of(model, "plain", "net.0") == {}


def test_outside_a_repository_the_path_is_that_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = loaded(tmp_path / "here" / "near.py").Net(), loaded(tmp_path / "there" / "far.py").Net()
    monkeypatch.chdir(tmp_path / "here")
    assert of(inside, "plain")["plain"].startswith("near.py:")
    assert of(outside, "plain")["plain"].startswith(f"{tmp_path.as_posix()}/there/far.py:")


def test_a_function_is_found_where_it_is_defined(repository: Path) -> None:
    module = loaded(repository / "functions.py")
    assert definition(module.block) == "functions.py:6"
    assert definition(len) is None


class Deep(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.body = nn.ModuleList(nn.Linear(1, 1) for _ in range(layers))


def test_many_layers_read_their_class_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from inithealth.record import source

    read: list[str] = []
    real: Callable[..., Any] = source._Assignments.__init__

    def counted(self: Any, path: str, statement: Any) -> None:
        read.append(statement.name)
        real(self, path, statement)

    monkeypatch.setattr(source._Assignments, "__init__", counted)
    model = Deep(1000)
    started = time.perf_counter()
    found = of(model, *(f"body.{number}" for number in range(1000)))
    assert time.perf_counter() - started < 5
    assert len(found) == 1000
    assert read == ["Deep"]


def test_findings_carry_it() -> None:
    import inithealth

    class Faulty(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Linear(8, 16), nn.Linear(16, 4)
            nn.init.constant_(self.body.weight, float("nan"))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.head(self.body(x).relu())
            return out

    report = inithealth.check(Faulty(), torch.randn(4, 8))
    line = (
        Path(__file__)
        .read_text()
        .splitlines()
        .index("            self.body, self.head = nn.Linear(8, 16), nn.Linear(16, 4)")
    )
    assert report.causes[0].source == f"tests/record/test_source.py:{line + 1}"
