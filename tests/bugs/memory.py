"""Parameters that were never written, with reproducible contents of uninitialized memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bug import Scene

FEATURES, WIDTH, CLASSES, EXPERTS = 32, 48, 10, 4
Words = Callable[[int], Tensor]  # returns this many 32-bit words


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(6)


def any_bits(amount: int) -> Tensor:
    """All bit patterns equally likely; one in 256 is NaN or infinite."""
    return torch.randint(-(2**31), 2**31, (amount,), generator=generator()).int()


def finite_bits(amount: int) -> Tensor:
    """Random bits without NaN or infinity: from 1e-38 to 1e38."""
    return any_bits(amount) & ~(1 << 23)


def counters(amount: int) -> Tensor:
    """Small 64-bit integers: as floats they are subnormal, and every other one is zero."""
    return torch.randint(1000, (amount // 2 + 1,), generator=generator()).view(torch.int32)[:amount]


def pointers(amount: int) -> Tensor:
    """Addresses in one arena: the upper half of each is subnormal."""
    places = torch.randint(2**24, (amount // 2 + 1,), generator=generator()) * 16
    return (0x7F3A_0000_0000 + places).view(torch.int32)[:amount]


def text(amount: int) -> Tensor:
    """Letters, spaces and digits: values up to 1e35."""
    return torch.randint(0x20, 0x7B, (4 * amount,), generator=generator(), dtype=torch.uint8).view(torch.int32)


def blocks(amount: int) -> Tensor:
    """Blocks of 16 words of any of these kinds, as in a heap with various uses."""
    used = [words(amount) for words in (fresh_pages, any_bits, counters, pointers, text)]
    kinds = torch.stack([*used, torch.randn(amount, generator=generator()).view(torch.int32)])
    kind = torch.randint(len(kinds), (amount // 16 + 1,), generator=generator()).repeat_interleave(16)[:amount]
    return kinds.gather(0, kind[None]).squeeze(0)


def small_values(amount: int) -> Tensor:
    """The same blocks without NaN and without values above 1: some of them look like weights."""
    values = blocks(amount).view(torch.float32).nan_to_num(0.0, 0.0, 0.0)
    return values.masked_fill(values.abs() > 1, 0.0).view(torch.int32)


def fresh_pages(amount: int) -> Tensor:
    """Zeros, as the operating system provides them."""
    return torch.zeros(amount, dtype=torch.int32)


WRITTEN: tuple[Words, ...] = (any_bits, finite_bits, counters, pointers, text, blocks)  # written by earlier uses
MEMORY: tuple[Words, ...] = (*WRITTEN, fresh_pages)


def leave(words: Words, tensor: Tensor) -> None:
    """Write these bytes where an allocator would have left them."""
    tensor.data.view(torch.int32).copy_(words(tensor.numel()).view(tensor.shape))


def examples() -> tuple[Tensor, Tensor]:
    return torch.randn(64, FEATURES, generator=generator()), torch.arange(64) % CLASSES


def scene(model: nn.Module) -> Scene:
    x, y = examples()
    return Scene(model, x, lambda output: F.cross_entropy(output, y), adam=True)


def network() -> nn.Sequential:
    hidden = (part for _ in range(3) for part in (nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH), nn.ReLU()))
    return nn.Sequential(nn.Linear(FEATURES, WIDTH), *hidden, nn.Linear(WIDTH, CLASSES))


def to_empty() -> nn.Sequential:
    """pytorch/torchtitan#4783, Lightning-AI/pytorch-lightning#17627: built without memory, which is allocated later."""
    with torch.device("meta"):
        model = network()
    return model.to_empty(device="cpu")


def initialized(model: nn.Module) -> nn.Module:
    """Apply the initialization that was missing after ``to_empty``."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.LayerNorm)):
            module.reset_parameters()
    return model


class Experts(nn.Module):
    """A mixture of experts with one tensor per projection for all experts, for speed."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(WIDTH, EXPERTS)
        self.up, self.down = (nn.Parameter(torch.empty(EXPERTS, WIDTH, WIDTH)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        shares = self.router(x).softmax(-1)
        inner = F.silu(torch.einsum("bi,eio->beo", x, self.up))
        return torch.einsum("be,bei,eio->bo", shares, inner, self.down)


class Mixture(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter, self.norm, self.head = (
            nn.Linear(FEATURES, WIDTH), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)
        )  # fmt: skip
        self.experts = Experts()

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        return self.head(x + self.experts(self.norm(x)))


def mixture(words: Words | None) -> Mixture:
    """NVIDIA-NeMo/Automodel#2991: the loop initializes linear layers, but not the experts' ``torch.empty``."""
    torch.manual_seed(0)
    model = Mixture()
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.1)
            nn.init.zeros_(module.bias)
    for parameter in (model.experts.up, model.experts.down):
        if words is None:
            nn.init.normal_(parameter, std=0.1)
        else:
            leave(words, parameter)
    return model
