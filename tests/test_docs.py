"""The documentation is correct: its commands, links and code work, and each rule has its page."""

import ast
import inspect
import re
import shlex
import textwrap
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

import inithealth
from inithealth import Settings
from inithealth.cli.main import parser
from inithealth.configuration import load
from inithealth.rules import Rule
from inithealth.rules.catalogue import catalogue

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
HEADINGS = ["What it checks", "Why it matters", "How to fix", "When to ignore", "References"]


def blocks(language: str) -> list[str]:
    """Return the fenced code of all pages, starting with the README."""
    fenced = rf"^```{language}\n(.*?)^```$"
    return [code for text in PAGES.values() for code in re.findall(fenced, text, flags=re.MULTILINE | re.DOTALL)]


def test_the_first_two_bash_blocks_are_one_command_each() -> None:
    quickstart, tests = blocks("bash")[:2]
    for command in (quickstart, tests):
        assert command.count("\n") == 1
        assert "-m venv" in command
        assert "-c constraints.txt" in command
    assert "examples/quickstart.py" in quickstart
    assert "pytest" in tests


def test_every_pip_install_is_constrained() -> None:
    for line in README.splitlines():
        assert "pip install" not in line or "-c constraints.txt" in line, line


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_and_pictures_exist(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", PAGES[page])
    assert [each for each in targets if "://" not in each and not (page.parent / each).is_file()] == []


def test_the_readme_shows_a_picture_first_and_links_every_page() -> None:
    assert README.index(".png)") < README.index("```bash")
    pages = {path.relative_to(ROOT).as_posix() for path in PAGES} - {"README.md"}
    assert [page for page in pages if f"({page})" not in README] == []


def test_paths_in_the_text_exist() -> None:
    named = re.findall(r"`((?:examples|docs|tests|benchmarks|\.ci)/[\w./-]+)`", "\n".join(PAGES.values()))
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


class Classifier(pl.LightningModule):
    """A substitute for the reader's own model."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))

    def forward(self, x: torch.Tensor) -> Any:
        return self.layers(x)

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def readers_own() -> dict[str, Any]:
    """Return the names that the code of the pages uses without defining them."""
    torch.manual_seed(0)
    model = Classifier()
    data = [(torch.randn(8), torch.tensor(index % 4)) for index in range(32)]
    return {
        "Classifier": Classifier,
        "model": model,
        "optimizer": model.configure_optimizers(),
        "loader": DataLoader(data, batch_size=16),
    }


@pytest.mark.parametrize("code", blocks("python"))
def test_the_code_of_the_pages_runs(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace = readers_own()
    exec(compile(code, "page", "exec"), namespace)
    for name in [name for name in namespace if name.startswith("test_")]:
        wanted = inspect.signature(namespace[name]).parameters
        namespace[name](*map(request.getfixturevalue, wanted))


def examples() -> list[tuple[str, str]]:
    """Return every example in a docstring: indented after ``::``, fenced, or with a prompt."""
    found = []
    for path in sorted((ROOT / "inithealth").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documented = [n for n in ast.walk(tree) if isinstance(n, (ast.Module, ast.ClassDef, ast.FunctionDef))]
        for node in documented:
            text = ast.get_docstring(node) or ""
            name = f"{path.stem}.{getattr(node, 'name', 'module')}"
            found += [(name, code) for code in re.findall(r"::\n\n((?: {4}.*\n|\n)+)", f"{text}\n")]
            assert "```" not in text, f"{name}: write the example indented under `::`"
            assert ">>>" not in text, f"{name}: write the example indented under `::`"
    return found


def test_the_public_functions_have_an_example() -> None:
    assert {name for name, _ in examples()} >= {"oneshot.check", "watching.watch", "initializing.initialization"}


@pytest.mark.parametrize(("name", "code"), examples(), ids=[name for name, _ in examples()])
def test_the_examples_in_docstrings_run(
    name: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    namespace = readers_own()
    inputs, targets = next(iter(namespace["loader"]))
    namespace |= {"inputs": inputs, "targets": targets, "torch": torch, "inithealth": inithealth}
    exec(compile(textwrap.dedent(code), name, "exec"), namespace)


@pytest.mark.parametrize("text", blocks("toml"))
def test_the_settings_in_the_pages_exist(text: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert load(start=tmp_path) != Settings()


@pytest.mark.parametrize(
    "command",
    re.findall(r"(?:^|`)(inithealth (?:check|init|report|diff|explain) [^`\n]+)", "\n".join(PAGES.values()), re.M),
)
def test_the_commands_in_the_pages_are_valid(command: str) -> None:
    parser().parse_args(shlex.split(command)[1:])


@pytest.mark.parametrize("rule", catalogue(), ids=lambda rule: rule.name)
def test_every_rule_has_its_page(rule: type[Rule]) -> None:
    page = rule.__doc__ or ""
    assert re.findall(r"^\s*## (.+)$", page, flags=re.MULTILINE) == HEADINGS
    assert all(part.strip() for part in re.split(r"^\s*## .+$", page, flags=re.MULTILINE)), "an empty chapter"
