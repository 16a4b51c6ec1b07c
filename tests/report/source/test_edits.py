"""Fixes become edits of the source: the changed file builds a healthy model, or the reason for no edit is stated."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path

import pytest

from inithealth import Report
from inithealth.report.source.diff import changed_files
from inithealth.report.source.edits import source_edits
from tests.report.source.sources import HEAD, loaded, report_of, repository, written

__all__ = ["repository"]  # a fixture


def healed(path: Path, report: Report) -> str:
    """Return the added lines, after checking that all causes are edits which make a new model healthy."""
    edits = source_edits(report)
    assert edits.refused == ()
    for file in changed_files(edits.edits):
        Path(file.path).write_text(file.after, encoding="utf-8", newline="")
    linecache.clearcache()
    after = report_of(path)
    assert [cause for cause in after.causes if cause.severity > "info"] == []
    return "".join(edit.text for edit in edits.edits)


def refusal(report: Report) -> str:
    edits = source_edits(report)
    assert edits.edits == ()
    return edits.refused[0][1]


PLAIN = """
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(16, 64)
            self.fc2 = nn.Linear(64, 64)  # the second layer
            {late}

        def forward(self, x):
            return self.fc2(torch.relu(self.fc1(x)))
"""
BLOCKS = """
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(16, 16)
            nn.init.normal_(self.fc.weight, std=5.0)

        def forward(self, x):
            return torch.relu(self.fc(x))


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([Block() for _ in range(4)])
            self.head = nn.Linear(16, 4)
            {late}

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return self.head(x)
"""


def test_a_fix_follows_the_statement_that_builds_the_layer(repository: Path) -> None:
    body = PLAIN.format(late="self.width = 64").replace("nn.Linear(16, 64)", "zeroed(nn.Linear(16, 64))")
    head = HEAD + "def zeroed(layer):\n    nn.init.zeros_(layer.weight)\n    return layer\n\n\n"
    path = written(repository, body, head)
    edits = source_edits(report_of(path)).edits
    line = path.read_text(encoding="utf-8").splitlines()[edits[0].line - 1]
    assert (edits[0].path, line.strip()) == ("model.py", "self.fc1 = zeroed(nn.Linear(16, 64))")
    assert edits[0].text == '        nn.init.kaiming_normal_(self.fc1.weight, nonlinearity="relu")\n'
    healed(path, report_of(path))


@pytest.mark.parametrize(
    "late",
    [
        "nn.init.normal_(self.fc1.weight, std=9.0)",
        "self.first_layer = self.fc1\n            self.first_layer.weight.data.mul_(40)",
        "for layer in (self.fc1,):\n                nn.init.normal_(layer.weight, std=9.0)",
    ],
)
def test_a_fix_follows_the_last_statement_that_may_change_the_layer(repository: Path, late: str) -> None:
    path = written(repository, PLAIN.format(late=late))
    lines = path.read_text(encoding="utf-8").splitlines()
    report = report_of(path)
    (edit,) = source_edits(report).edits
    assert lines[edit.line - 1].strip() == late.splitlines()[-1].strip()
    assert lines[edit.line] == ""
    healed(path, report)


def test_methods_that_the_constructor_calls_run_before_the_fix(repository: Path) -> None:
    method = "\n\n        def start(self):\n            nn.init.normal_(self.fc1.weight, std=9.0)"
    path = written(repository, PLAIN.format(late="self.start()" + method))
    assert healed(path, report_of(path)).startswith("        nn.init.kaiming_normal_(self.fc1.weight")


def test_repeated_blocks_get_one_line_in_their_class(repository: Path) -> None:
    path = written(repository, BLOCKS.format(late=""))
    added = healed(path, report_of(path))
    assert added == '        nn.init.kaiming_normal_(self.fc.weight, nonlinearity="relu")\n'


def test_a_list_of_layers_gets_a_loop(repository: Path) -> None:
    body = """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                layers = []
                for _ in range(4):
                    layers += [nn.Linear(16, 16), nn.ReLU()]
                    nn.init.normal_(layers[-2].weight, std=5.0)
                self.net = nn.Sequential(*layers, nn.Linear(16, 4))

            def forward(self, x):
                return self.net(x)
    """
    path = written(repository, body)
    loop = "        for i in range(0, 7, 2):\n            nn.init.kaiming_normal_(self.net[i].weight"
    assert healed(path, report_of(path)).startswith(loop)


def test_a_list_that_is_filled_later_is_fixed_after_that(repository: Path) -> None:
    late = "for _ in range(3):\n                self.blocks.append(nn.Sequential(nn.Linear(16, 16), nn.ReLU()))\n"
    late += "            for each in self.blocks[4:]:\n                nn.init.normal_(each[0].weight, std=5.0)"
    path = written(repository, BLOCKS.format(late=late))
    assert "for i in range(4, 7):\n            nn.init" in healed(path, report_of(path))


def test_missing_imports_are_added(repository: Path) -> None:
    head = '"""Doc."""\n\nfrom __future__ import annotations\n\nimport os\nimport torch\n\n\n'
    body = PLAIN.format(late="torch.nn.init.zeros_(self.fc1.weight)").replace("nn.", "torch.nn.")
    path = written(repository, body.replace("torch.torch", "torch"), head)
    assert "from torch import nn\n" in healed(path, report_of(path))
    assert "import torch\nfrom torch import nn\n\n\nclass" in path.read_text(encoding="utf-8")


def test_windows_newlines_are_kept(repository: Path) -> None:
    path = written(repository, PLAIN.format(late="nn.init.zeros_(self.fc1.weight)"))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert healed(path, report_of(path)).endswith("\r\n")
    assert b"\r\n" in path.read_bytes()
    assert b"\n" not in path.read_bytes().replace(b"\r\n", b"")


def test_a_file_without_a_last_newline(repository: Path) -> None:
    body = """
        class Net(nn.Module):
            def forward(self, x):
                return self.fc2(torch.relu(self.fc1(x)))

            def __init__(self):
                super().__init__()
                self.fc1 = nn.Linear(16, 64)
                self.fc2 = nn.Linear(64, 64)
                nn.init.zeros_(self.fc1.weight)"""
    path = written(repository, body)
    report = report_of(path)
    (file,) = changed_files(source_edits(report).edits)
    assert "\\ No newline at end of file\n" in file.diff
    healed(path, report)


START = """def start(layer):
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, std=5.0)


"""
STARTED = """def started(layers):
    for layer in layers.modules():
        start(layer)


"""


@pytest.mark.parametrize(
    "late",
    [
        "self.apply(start)",
        "for block in self.blocks:\n                nn.init.normal_(block.fc.weight, std=5.0)",
        "for each in self.modules():\n                start(each)",
        "started(self.blocks)",
        "started(self)",
        "self.begin()\n\n        def begin(self):\n            self.apply(start)",
    ],
)
def test_layers_that_the_whole_model_initializes_are_fixed_after_that(repository: Path, late: str) -> None:
    head = HEAD + START + (STARTED if "started" in late else "")
    path = written(repository, BLOCKS.format(late=late), head)
    report = report_of(path)
    (edit,) = source_edits(report).edits
    assert edit.line > path.read_text(encoding="utf-8").splitlines().index("class Net(nn.Module):")
    assert "        for i in range(len(self.blocks)):\n            nn.init" in healed(path, report)


@pytest.mark.parametrize(
    "late",
    [
        "nn.init.normal_(self.fc1.weight, std=9.0)",
        "self.fc1.weight.data *= 40",
        "self.fc1.weight = nn.Parameter(9 * torch.randn(64, 16))",
        "start(self.fc1)",
        "self.apply(start)",
    ],
)
def test_layers_that_a_derived_class_initializes_are_fixed_after_that(repository: Path, late: str) -> None:
    derived = f"class Net(Base):\n    def __init__(self):\n        super().__init__()\n        {late}\n"
    base = PLAIN.format(late="self.width = 64").replace("class Net", "class Base").replace("(64, 64)", "(64, 4)")
    path = written(repository, base, HEAD + START.replace("5.0", "9.0"))
    path.write_text(f"{path.read_text(encoding='utf-8')}\n\n{derived}", encoding="utf-8")
    report = report_of(path)
    (edit,) = source_edits(report).edits
    assert edit.line == path.read_text(encoding="utf-8").count("\n")
    healed(path, report)


def test_a_derived_class_that_is_not_checked_changes_nothing(repository: Path) -> None:
    path = written(repository, PLAIN.format(late="nn.init.normal_(self.fc1.weight, std=9.0)"))
    derived = "class Other(Net):\n    def __init__(self):\n        super().__init__()\n        self.apply(print)\n"
    path.write_text(f"{path.read_text(encoding='utf-8')}\n\n{derived}", encoding="utf-8")
    healed(path, report_of(path))


def test_some_instances_of_a_class_are_fixed_in_the_whole_model(repository: Path) -> None:
    body = (
        BLOCKS.format(late="").replace("__init__(self)", "__init__(self, std=5.0)", 1).replace("std=5.0)", "std=std)")
    )
    body = body.replace("std=std):", "std=0.35):").replace("[Block()", "[Block(5.0), *(Block()").replace("4)]", "3))]")
    path = written(repository, body)
    report = report_of(path)
    assert healed(path, report).endswith('(self.blocks[0].fc.weight, nonlinearity="relu")\n')


def test_without_the_constructor_of_the_model_some_instances_are_refused(repository: Path) -> None:
    report = report_of(written(repository, BLOCKS.format(late=""))).model_copy(update={"model": "Other"})
    some = report.causes[0].model_copy(update={"operations": report.causes[0].operations[1:]})
    said = "Block in model.py also builds blocks.0, which the fix does not change"
    assert refusal(report.model_copy(update={"findings": (some,)})) == said
    report = report_of(written(repository, BLOCKS.format(late="self.apply(start)"), HEAD + START, "other.py"))
    outer = report.model_copy(update={"model": "Other"})
    assert source_edits(outer).edits == ()


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("self.fc1 = nn.Linear(16, 64)\n{}self.fc1 = nn.Linear(16, 64)", "Net assigns self.fc1 in several statements"),
        ("for _ in range(1):\n{}    self.fc1 = nn.Linear(16, 64)", "it is assigned in a loop or a similar block"),
        ("setattr(self, 'fc1', nn.Linear(16, 64))", "line 8 is not a statement `self.NAME = ...`"),
        ("nn = torch.nn; self.fc1 = nn.Linear(16, 64)", "Net.__init__ has a variable named nn or math"),
        (
            "if True:\n{}    self.fc1 = nn.Linear(16, 64)",
            "it is assigned in a branch, and line 11 may change it afterwards",
        ),
        ("self.build()", "it is assigned in build, not in the __init__ of a class"),
    ],
)
def test_a_place_that_is_not_unambiguous_is_refused(repository: Path, statement: str, reason: str) -> None:
    late = "self.fc1.weight.data.zero_()\n\n        def build(self):\n            self.fc1 = nn.Linear(16, 64)"
    if "build" not in statement:
        late = late.partition("\n")[0]
    body = PLAIN.format(late=late).replace("self.fc1 = nn.Linear(16, 64)", statement.format(" " * 12), 1)
    assert refusal(report_of(written(repository, body))) == f"model.py: {reason}"


def test_code_after_the_constructor_that_changes_the_layer_is_a_refusal(repository: Path) -> None:
    build = "\n\ndef Model():\n    model = Net()\n    model.fc1.weight.data.zero_()\n    return model\n"
    path = written(repository, PLAIN.format(late="nn.init.zeros_(self.fc1.weight)"))
    path.write_text(path.read_text(encoding="utf-8") + build, encoding="utf-8")
    assert refusal(report_of(path)) == "model.py:18 may change the layer after Net.__init__"


def test_a_file_that_changed_since_the_check_is_refused(repository: Path) -> None:
    path = written(repository, PLAIN.format(late="nn.init.zeros_(self.fc1.weight)"))
    report = report_of(path)
    path.write_text("\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert refusal(report) == "model.py: line 8 is not a statement `self.NAME = ...`"
    path.write_text(HEAD + "    " * 3, encoding="utf-8")
    assert refusal(report).startswith("model.py: ")
    path.unlink()
    assert refusal(report) == "model.py: it cannot be read: No such file or directory"


def test_library_code_and_files_outside_of_the_repository_are_refused(repository: Path) -> None:
    report = report_of(written(repository, PLAIN.format(late="nn.init.zeros_(self.fc1.weight)")))
    outside = repository.parent / "outside.py"
    outside.write_text((repository / "model.py").read_text(encoding="utf-8"), encoding="utf-8")
    (repository / "link.py").symlink_to(outside)

    def moved(path: str) -> Report:
        layers = [each.model_copy(update={"source": f"{path}:8"}) for each in report.layers]
        return report.model_copy(update={"layers": tuple(layers)})

    for path in ("/usr/lib/python3/site-packages/net.py", "../outside.py"):
        assert refusal(moved(path)) == f"{path} is a library's code"
    for path in ("link.py", "model.txt", "a\0.py"):
        assert refusal(moved(path)).endswith(": it is not a Python file of the repository")


def test_a_fix_that_is_only_text_is_refused_with_its_text(repository: Path) -> None:
    report = report_of(written(repository, PLAIN.format(late="nn.init.zeros_(self.fc1.weight)")))
    prose = report.causes[0].model_copy(update={"operations": (), "fix": "__import__('os').system('true')"})
    said = refusal(report.model_copy(update={"findings": (prose,)}))
    assert said == "no change of parameters alone fixes it: __import__('os').system('true')"


def test_without_libcst_the_message_names_what_to_install(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(written(repository, PLAIN.format(late="nn.init.zeros_(self.fc1.weight)")))
    monkeypatch.setitem(sys.modules, "libcst", None)
    with pytest.raises(ImportError, match=r'pip install "inithealth\[fix\]"'):
        source_edits(report)


def test_the_loaded_helper_builds_what_the_file_says(repository: Path) -> None:
    assert loaded(written(repository, "Net = 3\n")).Net == 3
