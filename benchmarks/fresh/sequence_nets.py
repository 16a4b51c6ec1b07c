"""Fresh hosts for sequences."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .tasks import KINDS, LENGTH, TAGS, TERMS


class NormedBlock(nn.Module):
    """Two dilated convolutions with BatchNorm and a skip connection."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.conv2 = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm1d(width), nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(y)))


class NormedTCN(nn.Module):
    """Dilated non-causal convolutions, as in action segmentation; He normal initialization."""

    def __init__(self, width: int = 24, depth: int = 4) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv1d(2, width, 5, padding=2, bias=False), nn.BatchNorm1d(width)
        self.blocks = nn.Sequential(*(NormedBlock(width, 2**i) for i in range(depth)))
        self.pool = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten())
        self.head = nn.Linear(width, KINDS)
        for part in self.modules():
            if isinstance(part, nn.Conv1d):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.blocks(F.relu(self.stem_norm(self.stem(x))))))


class GRUTagger(nn.Module):
    """Two bidirectional GRUs and a tag for every token; Glorot uniform and orthogonal state weights, as in Keras."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.tokens = nn.Embedding(TERMS, width)
        self.gru1 = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.gru2 = nn.GRU(2 * width, width, batch_first=True, bidirectional=True)
        self.fc, self.head = nn.Linear(2 * width, 2 * width), nn.Linear(2 * width, TAGS)
        nn.init.uniform_(self.tokens.weight, -0.05, 0.05)
        for name, parameter in self.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
            elif "weight_hh" in name:
                for gate in parameter.data.chunk(3):
                    nn.init.orthogonal_(gate)
            elif "tokens" not in name:
                for gate in parameter.data.chunk(3) if "gru" in name else (parameter,):
                    nn.init.xavier_uniform_(gate)

    def forward(self, x: Tensor) -> Tensor:
        x = self.gru2(self.gru1(self.tokens(x))[0])[0]
        return self.head(F.relu(self.fc(x)))


class GMLPBlock(nn.Module):
    """Liu et al. (2021): half of the channels, mixed over the positions, gate the other half.

    The mixing has near-zero weights and biases of one, as published, so the gate starts open.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.proj_in = nn.LayerNorm(width), nn.Linear(width, 4 * width)
        self.gate_norm, self.spatial = nn.LayerNorm(2 * width), nn.Linear(LENGTH, LENGTH)
        self.proj_out = nn.Linear(2 * width, width)
        nn.init.normal_(self.spatial.weight, std=1e-3)
        nn.init.ones_(self.spatial.bias)

    def forward(self, x: Tensor) -> Tensor:
        kept, gate = F.gelu(self.proj_in(self.norm(x))).chunk(2, -1)
        gate = self.spatial(self.gate_norm(gate).transpose(1, 2)).transpose(1, 2)
        return x + self.proj_out(kept * gate)


class GMLP(nn.Module):
    """A tag for every token; PyTorch's default initialization except for the gates."""

    def __init__(self, width: int = 32, depth: int = 3) -> None:
        super().__init__()
        self.tokens = nn.Embedding(TERMS, width)
        self.blocks = nn.Sequential(*(GMLPBlock(width) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, TAGS)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.tokens(x))))


class MinGRUBlock(nn.Module):
    """Feng et al. (2024): a short convolution, a GRU whose gates do not depend on the state, and an MLP."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.conv = nn.Conv1d(width, width, 4, groups=width, padding=3)
        self.update, self.candidate = nn.Linear(width, 2 * width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(2 * width, width)
        self.fc1, self.fc2 = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(self.norm1(x).transpose(1, 2))[..., : x.shape[1]].transpose(1, 2)
        x = x + self.out(self.scanned(y))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))

    def scanned(self, y: Tensor) -> Tensor:
        gate, candidate = self.update(y).sigmoid(), self.candidate(y)
        state, states = torch.zeros_like(candidate[:, 0]), []
        for new, share in zip(candidate.unbind(1), gate.unbind(1), strict=True):
            state = state + share * (new - state)
            states.append(state)
        return torch.stack(states, 1)


class MinGRU(nn.Module):
    """A language model; PyTorch's default initialization, and N(0, 0.02) for the embedding."""

    def __init__(self, width: int = 32, depth: int = 2) -> None:
        super().__init__()
        self.tokens = nn.Embedding(TERMS, width)
        self.blocks = nn.Sequential(*(MinGRUBlock(width) for _ in range(depth)))
        self.norm, self.head = nn.RMSNorm(width), nn.Linear(width, TERMS, bias=False)
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.tokens(x))))
