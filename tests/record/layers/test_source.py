"""The line that creates each layer: in its parent's class, its container's, or the class itself."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from inithealth.record.failures import Failures
from inithealth.record.layers.class_source import definition
from inithealth.record.layers.inventory import Inventory
from inithealth.record.layers.naming import Naming
from inithealth.record.layers.source import sources

CODE = """
import torch
from collections import OrderedDict
from torch import nn


def block(*widths):
    return nn.Sequential(nn.Linear(2, 2), nn.ReLU())


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
        if deep:
            self.deeper = block(2)
        self.deeper = block(3)  # deeper.0
        if not deep:
            self.shaped = nn.Identity()
        elif deep:
            self.shaped = nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))  # shaped
        else:
            self.shaped = nn.Conv1d(2, 2, 1)
        self.ordered = nn.Sequential(OrderedDict([
            ("a", nn.Linear(2, 2)),
            ("b", nn.Linear(2, 2)),  # ordered.b
        ]))
        self.mapped = nn.Sequential(OrderedDict({
            "a": nn.Linear(2, 2),  # mapped.a
        }))
        self.keyed = nn.ModuleDict(dict(
            a=nn.Linear(2, 2),  # keyed.a
        ))
        self.by_keyword = nn.ModuleList(modules=[
            nn.Linear(2, 2),  # by_keyword.0
        ])
        self.after = nn.Sequential(  # after.1
            *[nn.Linear(2, 2)],
            nn.Linear(2, 2),
        )
        self.nested = nn.Sequential(
            nn.ModuleDict({
                "a": nn.ModuleList([
                    nn.Linear(2, 2),  # nested.0.a.0
                ]),
            }),
        )
        self.add_module(name="given", module=nn.Linear(2, 2))  # given
        self.scale = nn.Parameter(torch.ones(2, 2))  # scale
        self.register_parameter("registered", nn.Parameter(torch.ones(2, 2)))  # registered
        self.parameters_ = nn.ParameterList([nn.Parameter(torch.ones(2, 2))])  # parameters_.0
        self.encoder = nn.TransformerEncoder(  # encoder.layers.0.linear1 encoder.layers.1.self_attn
            nn.TransformerEncoderLayer(2, 2, 2, batch_first=True), 2
        )
        self.recurrent = nn.LSTM(2, 2)  # recurrent recurrent.weight_ih_l0
        self.wéíght = nn.Linear(2, 2)  # wéíght
        self.helped = block(  # helped.0
            2,
        )
        self.maker = lambda: nn.Linear(2, 2)
        self.from_lambda = self.maker()  # from_lambda
        self.inner = Inner()
        self.outer = Outer()
        self.outer.add_module("made0", nn.Linear(2, 2))
        setattr(self.outer, "made1", nn.Linear(2, 2))

    def drop(self):
        self.plain = None


class Inner(nn.Module):  # inner.made0.0 inner
    def __init__(self):
        super().__init__()
        for number in range(2):
            setattr(self, f"made{number}", nn.Sequential(nn.Linear(2, 2)))


class Outer(nn.Module):  # outer.fc outer
    class Within(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 2)  # outer.within.fc

    def __init__(self):
        super().__init__()
        name = "fc"
        setattr(self, name, nn.Linear(2, 2))
        self.within = self.Within()
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
def test_the_line_of_each_layer(newline: str, repository: Path) -> None:
    module = loaded(repository / "pack" / f"written{len(newline)}.py", CODE.replace("\n", newline))
    wanted = {
        name: f"pack/written{len(newline)}.py:{number}"
        for number, line in enumerate(CODE.splitlines(), 1)
        for name in line.partition("  # ")[2].split()
        if name not in ("net", "inner", "outer")
    }
    assert of(module.Net(), *wanted) == wanted


def test_a_layer_without_an_assignment_has_the_line_of_its_class(repository: Path) -> None:
    module = loaded(repository / "classes.py")
    line = next(number for number, text in enumerate(CODE.splitlines(), 1) if text.startswith("@decorated"))
    assert of(module.Net(), "made1")["made1"] in (f"classes.py:{line}", f"classes.py:{line + 1}")


def test_a_plain_container_has_no_line() -> None:
    assert of(nn.Sequential(nn.Linear(2, 2)), "0") == {}
    assert of(nn.Linear(2, 2), "") == {}


def test_the_base_classes_of_lightning_are_not_the_users_code() -> None:
    made: dict[str, Any] = {}
    exec("import pytorch_lightning as pl\nclass Net(pl.LightningModule): pass", made)
    net = made["Net"]()
    net.fc = nn.Linear(2, 2)
    assert sources(dict(net.named_modules()), ["fc"]) == {}


@pytest.mark.parametrize("make", ["exec", "shell", "nameless", "made", "gone", "broken"])
def test_a_class_without_a_source_has_no_line(make: str, repository: Path) -> None:
    if make in ("exec", "shell", "nameless"):
        scope: dict[str, Any] = {"__name__": "shell"} if make != "nameless" else {"__name__": None}
        exec(compile(CODE, "<stdin>" if make == "shell" else "<string>", "exec"), scope)
        model = scope["Net"]()
    elif make == "made":
        model = type("Made", (nn.Module,), {"__module__": "typed"})()
        model.plain, model.net = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2))
    else:
        file = repository / f"{make}.py"
        model = loaded(file).Net()
        file.write_text("class Net(:") if make == "broken" else file.unlink()
    assert of(model, "plain", "net.0") == {}


def test_outside_a_repository_the_path_is_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = loaded(tmp_path / "here" / "near.py").Net(), loaded(tmp_path / "there" / "far.py").Net()
    monkeypatch.chdir(tmp_path / "here")
    assert of(inside, "plain")["plain"].startswith("near.py:")
    assert of(outside, "plain")["plain"].startswith(f"{tmp_path.as_posix()}/there/far.py:")


def test_a_function_is_found_where_it_is_defined(repository: Path) -> None:
    module = loaded(repository / "functions.py")
    assert definition(module.block) == "functions.py:7"
    assert definition(len) is None


class Deep(nn.Module):
    def __init__(self, layers: int) -> None:
        super().__init__()
        self.body = nn.ModuleList(nn.Linear(1, 1) for _ in range(layers))


def test_the_class_of_many_layers_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from inithealth.record.layers import source

    read: list[str] = []
    real: Callable[..., Any] = source._Assignments.__init__

    def counted(self: Any, path: str, statement: Any) -> None:
        read.append(statement.name)
        real(self, path, statement)

    monkeypatch.setattr(source._Assignments, "__init__", counted)
    model = Deep(1000)
    found = of(model, *(f"body.{number}" for number in range(1000)))
    assert len(found) == 1000
    assert read == ["Deep"]


def test_a_layer_at_the_end_of_a_long_container_has_its_line(repository: Path) -> None:
    lines = [*CODE.splitlines()[:4], "class Long(nn.Module):", "    def __init__(self):", "        super().__init__()"]
    lines += ["        self.body = nn.Sequential(", *["            nn.Linear(1, 1),"] * 1000, "        )"]
    model = loaded(repository / "long.py", "\n".join(lines)).Long()
    found = of(model, *(f"body.{number}" for number in range(1000)))
    assert found["body.999"] == f"long.py:{len(lines) - 1}"


def test_base_classes_are_read_only_if_the_class_does_not_assign_the_layer(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inithealth.record.layers import source

    loaded(repository / "written_base.py")
    code = "from torch import nn\nfrom written_base import Net\n\n\nclass Derived(Net):\n    def __init__(self):\n"
    code += "        super().__init__()\n        self.own = nn.Linear(2, 2)\n        self.typed = nn.Conv1d(2, 2, 1)\n"
    model = loaded(repository / "derived.py", code).Derived()
    read: list[str] = []
    real = source._Assigned.by

    def noted(self: Any, kind: type[Any]) -> Any:
        read.append(kind.__name__)
        return real(self, kind)

    monkeypatch.setattr(source._Assigned, "by", noted)
    assert of(model, "own", "typed") == {"own": "derived.py:8", "typed": "derived.py:9"}
    assert set(read) == {"Derived"}
    assert of(model, "plain")["plain"].startswith("written_base.py:")


def test_the_line_is_in_the_lightning_modules_class(repository: Path) -> None:
    code = "import pytorch_lightning as pl\nfrom torch import nn\n\n\nclass Lit(pl.LightningModule):\n"
    code += "    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(2, 2)\n"
    code += "        for name in ['looped']:\n            setattr(self, name, nn.Linear(2, 2))\n"
    model = loaded(repository / "lit.py", code).Lit()
    assert of(model, "fc", "looped") == {"fc": "lit.py:8", "looped": "lit.py:5"}


def test_each_parameter_that_is_a_layer_has_its_own_line(repository: Path) -> None:
    code = "import torch\nfrom torch import nn\n\n\nclass Experts(nn.Module):\n    def __init__(self):\n"
    code += "        super().__init__()\n        self.up = nn.Parameter(torch.ones(2, 2))\n"
    code += "        self.down = nn.Parameter(torch.ones(2, 2))\n\n\nclass Tied(nn.Module):\n    def __init__(self):\n"
    code += (
        "        super().__init__()\n        self.experts = Experts()\n        self.embedding = nn.Embedding(2, 2)\n"
    )
    code += "        self.head = nn.Linear(2, 2)\n"
    failures = Failures()
    inventory = Inventory(loaded(repository / "experts.py", code).Tied(), failures)
    inventory.find(None, {})
    assert {layer.name: layer.source for layer in inventory.layers} == {
        "experts.up": "experts.py:8",
        "experts.down": "experts.py:9",
        "embedding": "experts.py:16",
        "head": "experts.py:17",
    }
    assert not failures


def test_findings_have_the_line() -> None:
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
    assert report.causes[0].source == f"tests/record/layers/test_source.py:{line + 1}"
