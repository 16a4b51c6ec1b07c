"""``inithealth rules`` and ``explain``; ``--help`` is fast."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from inithealth.cli.rules import page
from inithealth.rules.base import Rule, unit_of
from inithealth.rules.catalogue import catalogue
from tests.cli.conftest import Run


def test_every_rule_is_listed(run: Run) -> None:
    text = run("rules").out
    assert [line[:5] for line in text.splitlines()] == [rule.code for rule in catalogue()]
    listed = json.loads(run("rules", "--output-format", "json").out)
    assert [rule["name"] for rule in listed] == [rule.name for rule in catalogue()]
    assert all(rule["summary"] for rule in listed)


@pytest.mark.parametrize("word", ["IH201", "ih201", "vanishing-activations"])
def test_explain_shows_a_rules_documentation_and_options(word: str, run: Run) -> None:
    text = run("explain", word).out
    assert text.startswith("IH201 vanishing-activations (")
    assert "## How to fix" in text
    assert "[tool.inithealth.rules.vanishing-activations]" in text


@pytest.mark.parametrize("rule", catalogue(), ids=lambda rule: rule.name)
def test_each_option_is_explained_with_its_default_unit_and_meaning(rule: type[Rule]) -> None:
    _, _, options = page(rule).partition(f"[tool.inithealth.rules.{rule.name}]\n")
    words = " ".join(options.split())
    for name, field in rule.model_fields.items():
        meaning = " ".join((field.description or "").split())
        assert f"{name} = {field.default!r} # {unit_of(field)} {meaning}" in words


def test_an_unknown_rule_is_rejected(run: Run) -> None:
    done = run("explain", "IH210x")
    assert done.status == 2
    assert "did you mean 'IH210'?" in done.error


@pytest.mark.parametrize("words", [("--help",), ("check", "--help")])
def test_help_imports_neither_torch_nor_pydantic(words: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom inithealth.cli.main import main\n"
        f"try:\n    main({list(words)!r})\nexcept SystemExit as left:\n    assert left.code == 0\n"
        "assert not {'torch', 'pydantic', 'numpy', 'pytorch_lightning'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: inithealth" in done.stdout


@pytest.mark.parametrize("words", [(), ("chek",), ("check",), ("check", "a:b", "--seeds", "0"), ("check", "--nope")])
def test_unparsable_arguments_exit_with_2(words: tuple[str, ...], run: Run) -> None:
    assert run(*words).status == 2
