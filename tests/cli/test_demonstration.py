"""A repository with a published bug in its second commit: the check fails at the line that creates the layer.

huggingface/transformers#47458: residual branches should start smaller, but the matched name has changed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from inithealth import Report

MODEL = """
import math

import torch
from torch import nn
from torch.nn import functional as F

WIDTH, BLOCKS, WORDS = 48, 24, 50


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.c_attn = nn.Linear(WIDTH, 3 * WIDTH)
        self.attn_proj = nn.Linear(WIDTH, WIDTH)
        self.c_fc = nn.Linear(WIDTH, 4 * WIDTH)
        self.c_proj = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        q, k, v = self.c_attn(self.ln_1(x)).unflatten(-1, (3, 4, -1)).transpose(1, 3).unbind(2)
        x = x + self.attn_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.c_proj(F.gelu(self.c_fc(self.ln_2(x))))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(WORDS, WIDTH)
        self.h = nn.Sequential(*(Block() for _ in range(BLOCKS)))
        self.ln_f = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, WORDS, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.08)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
            if HERE:
                nn.init.normal_(parameter, std=0.08 / math.sqrt(2 * BLOCKS))

    def forward(self, tokens):
        return self.head(self.ln_f(self.h(self.wte(tokens))))


def build():
    tokens = torch.randint(WORDS, (8, 33), generator=torch.Generator().manual_seed(1))
    return GPT(), tokens[:, :-1], lambda logits: F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
"""
HEALTHY, BUG = 'name.endswith("proj.weight")', 'name == "c_proj.weight"'
FORMATS = ("table", "concise", "json", "markdown", "github", "gitlab", "junit", "sarif")


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "-q")
        self.commit("pyproject.toml", '[tool.inithealth]\nselect = ["IH108"]\nfail_on = "info"\n')

    def git(self, *words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *who, *words], cwd=self.folder, check=True, capture_output=True)

    def commit(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)
        self.git("add", name)
        self.git("commit", "-q", "-m", name)

    def model(self, condition: str) -> None:
        (self.folder / "nets").mkdir(exist_ok=True)
        self.commit("nets/gpt.py", MODEL.replace("HERE", condition))

    def check(self, *options: str) -> int:
        """Run the check in all formats and return the status."""
        words = [word for name in FORMATS for word in ("--output-format", f"{name}=out.{name}")]
        kept = {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}
        command = [sys.executable, "-m", "inithealth", "check", "nets.gpt:build", *words, *options]
        done = subprocess.run(command, cwd=self.folder, env=kept, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode

    def out(self, name: str) -> str:
        return (self.folder / f"out.{name}").read_text()

    @property
    def line(self) -> int:
        """Return the line of the layer that should be scaled down."""
        lines = (self.folder / "nets" / "gpt.py").read_text().splitlines()
        return next(at for at, text in enumerate(lines, 1) if "_proj = nn.Linear" in text)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return Repository(tmp_path_factory.mktemp("repository"))


@pytest.mark.slow
def test_healthy_then_broken_then_suppressed_then_known(repository: Repository) -> None:
    repository.model(HEALTHY)
    assert repository.check() == 0, repository.out("table")
    assert repository.out("github") == "\n"

    repository.model(BUG)
    assert repository.check() == 1
    at = f"nets/gpt.py:{repository.line}"
    assert f"at:   {at}" in repository.out("table")
    assert repository.out("concise").startswith(f"{at}: IH108 ")
    assert Report.from_json(repository.out("json")).causes[0].source == at
    assert f"nets/gpt.py:{repository.line}" in repository.out("markdown")
    assert f"file=nets/gpt.py,line={repository.line},title=IH108" in repository.out("github")
    assert json.loads(repository.out("gitlab"))[0]["location"]["lines"]["begin"] == repository.line
    [failure] = ET.fromstring(repository.out("junit")).iter("failure")
    assert at in (failure.text or "")
    [result] = json.loads(repository.out("sarif"))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == repository.line

    assert repository.check("--write-baseline", "known.json") == 0
    repository.git("add", "known.json")
    repository.git("commit", "-q", "-m", "known")
    assert repository.check("--baseline", "known.json") == 0
    assert "known: in the baseline" in repository.out("table")

    meant = '[[tool.inithealth.suppress]]\nrule = "IH108"\nreason = "as GPT-1 did"\n'
    repository.commit("pyproject.toml", (repository.folder / "pyproject.toml").read_text() + meant)
    assert repository.check() == 0
    for name in ("table", "concise", "markdown", "github", "junit", "sarif"):
        assert "as GPT-1 did" in repository.out(name).replace("\\-", "-"), name
