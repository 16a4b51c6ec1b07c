"""Parameters that are constant intentionally: no symmetry, no wrong scale, nothing to draw again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

import inithealth
from inithealth import Report, Severity

WIDTH, TOKENS, HEADS = 32, 12, 4


class Attention(nn.Module):
    """Self-attention with whatever a network adds to its logits."""

    def __init__(self, *, table: bool = False, temperature: float | None = None, layer_scale: float | None = None):
        super().__init__()
        self.norm, self.qkv, self.out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.table = nn.Parameter(torch.zeros(2 * TOKENS - 1, HEADS)) if table else None
        self.temperature = None if temperature is None else nn.Parameter(torch.full((HEADS, 1, 1), temperature))
        self.scale = None if layer_scale is None else nn.Parameter(torch.full((WIDTH,), layer_scale))
        self.register_buffer("places", torch.arange(TOKENS)[:, None] - torch.arange(TOKENS) + TOKENS - 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        if self.temperature is None:
            logits = q @ k.mT / q.shape[-1] ** 0.5
        else:
            logits = normalize(q, dim=-1) @ normalize(k, dim=-1).mT * self.temperature
        if self.table is not None:
            logits = logits + self.table[self.places].permute(2, 0, 1)
        out = self.out((logits.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return x + (out if self.scale is None else self.scale * out)


class Tokens(nn.Module):
    """Patches with a class token and positions, whose head reads the class token."""

    def __init__(self, token: float, positions: float, **attention: float | bool | None) -> None:
        super().__init__()
        self.patches = nn.Linear(16, WIDTH)
        self.token = nn.Parameter(torch.full((1, 1, WIDTH), token))
        self.positions = nn.Parameter(torch.full((1, TOKENS, WIDTH), positions))
        self.blocks = nn.Sequential(*(Attention(**attention) for _ in range(3)))  # type: ignore[arg-type]
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        tokens = torch.cat([self.token.expand(len(x), -1, -1), self.patches(x)], 1) + self.positions
        out: Tensor = self.head(self.norm(self.blocks(tokens))[:, 0])
        return out


class Contrast(nn.Module):
    """Two towers whose cosines a learned temperature multiplies, as in CLIP."""

    def __init__(self, scale: float, shift: float = 0.0) -> None:
        super().__init__()
        self.left, self.right = (
            nn.Sequential(nn.Flatten(), nn.Linear(11 * 16, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH)) for _ in range(2)
        )
        self.logit_scale, self.logit_bias = nn.Parameter(torch.tensor(scale)), nn.Parameter(torch.tensor(shift))

    def forward(self, x: Tensor) -> Tensor:
        left, right = normalize(self.left(x), dim=-1), normalize(self.right(x + 1.0), dim=-1)
        return left @ right.mT * self.logit_scale.exp() + self.logit_bias


class Routed(nn.Module):
    """Experts whose router multiplies by a temperature for each expert, and whose outputs learned weights sum."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Flatten(), nn.Linear(11 * 16, WIDTH), nn.ReLU())
        self.experts = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.mix, self.temperature = nn.Parameter(torch.zeros(4)), nn.Parameter(torch.full((4,), 2.0))
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.stem(x)
        shares = (self.mix * self.temperature).softmax(0)
        out: Tensor = self.head(sum(share * expert(hidden).relu() for share, expert in zip(shares, self.experts)))  # noqa: B905
        return out


CASES: dict[str, Callable[[], nn.Module]] = {
    "tokens and positions of zeros": lambda: Tokens(0.0, 0.0),
    "a class token of ones": lambda: Tokens(1.0, 0.02),
    "a table of relative positions": lambda: Tokens(0.0, 0.0, table=True),
    "a temperature of each head": lambda: Tokens(0.0, 0.0, temperature=10.0),
    "LayerScale 1e-5": lambda: Tokens(0.0, 0.0, layer_scale=1e-5),
    "LayerScale 0.1": lambda: Tokens(0.0, 0.0, layer_scale=0.1),
    "all of them": lambda: Tokens(0.0, 0.0, table=True, temperature=10.0, layer_scale=1e-5),
    "CLIP": lambda: Contrast(2.6593),
    "SigLIP": lambda: Contrast(2.3026, -10.0),
    "a mix of experts": Routed,
}


def batch(seed: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    return torch.randn(16, 11, 16), torch.arange(16) % 10


def loss(output: Tensor, target: Tensor) -> Tensor:
    return cross_entropy(output, target if output.shape[1] == 10 else torch.arange(len(output)))


def watched(model: nn.Module) -> Report:
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    with inithealth.Monitor(model, optimizer=optimizer) as monitor:
        for step in range(12):
            x, y = batch(step)
            optimizer.zero_grad()
            value = loss(model(x), y)
            value.backward()
            monitor.step(value)
            optimizer.step()
    assert monitor.report is not None
    return monitor.report


@pytest.mark.parametrize("name", CASES)
def test_constants_on_purpose_are_healthy(name: str) -> None:
    torch.manual_seed(0)
    model = CASES[name]()
    for report in (inithealth.check(model, batch(0), loss=loss), watched(model)):
        assert [each for each in report.causes if each.severity is not Severity.INFO] == [], str(report)
        assert not {"IH102", "IH401"} & {each.code for each in report.findings}
        assert report.not_measured == ()
