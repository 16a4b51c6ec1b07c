"""Networks some of whose weights are the outputs of other layers, and networks that only look like them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.record.reading import Written

WIDTH, HIDDEN, CLASSES = 32, 32, 10
VECTORS, SEQUENCES, IMAGES = torch.randn(16, WIDTH), torch.randn(16, 12, WIDTH), torch.randn(16, 8, 6, 6)
TARGETS = torch.arange(16) % CLASSES
Product = Callable[[Tensor, Tensor], Tensor]  # of signals and the generated matrices (unit, input) of each sample


def loss(output: Tensor) -> Tensor:
    return F.cross_entropy(output, TARGETS)


def trunk(inputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU())


@torch.no_grad()
def hyperfan_in(head: nn.Linear, fan_in: int, gain: float, hidden: Tensor, factor: float = 1.0) -> None:
    """Initialize a head such that the weights that it generates have this gain (Chang et al. 2020), times a factor."""
    nn.init.normal_(head.weight, std=factor * gain / float(hidden.square().mean() * HIDDEN * fan_in) ** 0.5)
    nn.init.zeros_(head.bias)


def bias_only(head: nn.Linear, fan_in: int, gain: float) -> None:
    """Let the bias hold a weight with this gain, and start the weight at zero."""
    nn.init.zeros_(head.weight)
    nn.init.normal_(head.bias, std=gain / fan_in**0.5)


def by_task(factor: float | None = 1.0, depth: int = 4, *, shallow: bool = False) -> Written:
    """Weights of all samples generated from an embedding; by PyTorch's default heads if the factor is None."""

    def forward(net: Any, x: Tensor) -> Any:
        hidden = net.trunk(net.task(torch.zeros(1, dtype=torch.long)))
        for place, head in enumerate(net.heads):
            weight = head(hidden)
            x = F.linear(x if place == 0 else x.relu(), weight.view(-1, WIDTH))
        return x

    torch.manual_seed(0)
    task = nn.Embedding(2, HIDDEN if shallow else 16)
    units = [WIDTH] * (depth - 1) + [CLASSES]
    heads = nn.ModuleList(nn.Linear(HIDDEN, WIDTH * each) for each in units)
    inner = nn.Identity() if shallow else trunk(16)
    net = Written(forward, task=task, trunk=inner, heads=heads)
    for each, head in zip(units, heads, strict=True) if factor is not None else ():
        assert isinstance(head, nn.Linear)
        gain = 1.0 if each == CLASSES else 2**0.5
        hyperfan_in(head, WIDTH, gain, inner(task(torch.zeros(1, dtype=torch.long))), factor or 1.0)
    return net


PRODUCTS: dict[str, Product] = {
    "bmm": lambda x, weight: torch.bmm(weight, x.unsqueeze(-1)).squeeze(-1),
    "matmul": lambda x, weight: (x.unsqueeze(1) @ weight.mT).squeeze(1),
    "einsum": lambda x, weight: torch.einsum("boi,bi->bo", weight, x),
}


def by_sample(product: Product, factor: float = 1.0, depth: int = 3) -> Written:
    """A weight for each sample, generated from the sample itself."""

    def forward(net: Any, x: Tensor) -> Any:
        hidden = net.trunk(x)
        for head in net.heads:
            x = product(x, head(hidden).view(-1, WIDTH, WIDTH)).relu()
        return net.out(x)

    torch.manual_seed(0)
    heads = nn.ModuleList(nn.Linear(HIDDEN, WIDTH * WIDTH) for _ in range(depth))
    inner = trunk(WIDTH)
    net = Written(forward, trunk=inner, heads=heads, out=nn.Linear(WIDTH, CLASSES))
    for head in heads:
        assert isinstance(head, nn.Linear)
        hyperfan_in(head, WIDTH, 2**0.5, inner(VECTORS), factor)
    return net


def kernels(factor: float = 1.0, *, grouped: bool = True) -> Written:
    """Convolutions whose kernels are generated, for each sample or for the batch."""

    def forward(net: Any, x: Tensor) -> Any:
        batch, channels = x.shape[:2]
        hidden = net.trunk(x.mean((2, 3)) if grouped else x.mean((0, 2, 3))[None])
        for head in net.heads:
            kernel = head(hidden).view(-1, channels, 3, 3)
            flat = x.reshape(1, -1, *x.shape[2:]) if grouped else x
            x = F.conv2d(flat, kernel, padding=1, groups=batch if grouped else 1).view(x.shape).relu()
        return net.out(x.mean((2, 3)))

    torch.manual_seed(0)
    heads = nn.ModuleList(nn.Linear(HIDDEN, 8 * 8 * 9) for _ in range(3))
    inner = trunk(8)
    net = Written(forward, trunk=inner, heads=heads, out=nn.Linear(8, CLASSES))
    for head in heads:
        assert isinstance(head, nn.Linear)
        hyperfan_in(head, 8 * 9, 2**0.5, inner(IMAGES.mean((2, 3))), factor)
    return net


def _film(net: Any, x: Tensor) -> Any:
    scale, shift = net.film(net.trunk(x)).chunk(2, -1)
    return net.out(((1 + scale) * net.body(x) + shift).relu())


def _attention(net: Any, x: Tensor) -> Any:
    q, k, v = (layer(x).view(16, 12, 4, 8).transpose(1, 2) for layer in (net.q, net.k, net.v))
    mixed = (q @ k.mT / 8**0.5).softmax(-1) @ v
    return net.out((x + net.o(mixed.transpose(1, 2).reshape(x.shape))).mean(1))


def _tokens(net: Any, x: Tensor) -> Any:
    tokens = net.tokens(net.trunk(x)).view(16, 8, WIDTH)
    return net.out(((tokens @ tokens.mT / WIDTH**0.5).softmax(-1) @ tokens).mean(1))


def _memory(net: Any, x: Tensor) -> Any:
    k, v = net.tokens(net.trunk(x.mean(1))).view(16, 2, 8, WIDTH).unbind(1)
    return net.out(((net.q(x) @ k.mT / WIDTH**0.5).softmax(-1) @ v).mean(1))


def _adjacency(net: Any, x: Tensor) -> Any:
    return net.out((net.edges @ net.tokens(net.trunk(x)).view(16, 8, WIDTH)).relu().mean(1))


def _low_rank(net: Any, x: Tensor) -> Any:
    return net.out((net.body(x) + x @ net.a @ net.b).relu())


def _gram(net: Any, x: Tensor) -> Any:
    tokens = net.tokens(net.trunk(x)).view(16, 8, WIDTH)
    return net.out((tokens @ tokens.mT).flatten(1))


def _parts(**more: Any) -> dict[str, Any]:
    return {"trunk": trunk(WIDTH), "out": nn.Linear(WIDTH, CLASSES), **more}


def lookalikes() -> dict[str, tuple[Written, Tensor]]:
    """Return networks whose products have no generated weight, with their inputs."""
    torch.manual_seed(0)
    square, tokens = lambda: nn.Linear(WIDTH, WIDTH), lambda count: nn.Linear(HIDDEN, count * WIDTH)
    a, b = nn.Parameter(torch.randn(WIDTH, 8) / WIDTH**0.5), nn.Parameter(torch.zeros(8, WIDTH))
    return {
        "scale and shift": (Written(_film, **_parts(film=tokens(2), body=square())), VECTORS),
        "attention": (Written(_attention, **_parts(q=square(), k=square(), v=square(), o=square())), SEQUENCES),
        "attention of generated tokens": (Written(_tokens, **_parts(tokens=tokens(8))), VECTORS),
        "attention to generated tokens": (Written(_memory, **_parts(tokens=tokens(16), q=square())), SEQUENCES),
        "nodes of a graph": (Written(_adjacency, **_parts(tokens=tokens(8), edges=torch.rand(8, 8))), VECTORS),
        "low-rank update": (Written(_low_rank, **_parts(a=a, b=b, body=square())), VECTORS),
        "similarities": (Written(_gram, **_parts(tokens=tokens(8), out=nn.Linear(64, CLASSES))), VECTORS),
    }


def mixed_kernels() -> Written:
    """A dynamic convolution: each sample's kernel is a mixture of stored ones."""

    def forward(net: Any, x: Tensor) -> Any:
        kernel = net.gate(x.mean((2, 3))).softmax(-1) @ net.bank.flatten(1)
        x = F.conv2d(x.reshape(1, -1, 6, 6), kernel.view(-1, 8, 3, 3), padding=1, groups=16).view(16, 16, 6, 6).relu()
        return net.out(x.mean((2, 3)))

    torch.manual_seed(0)
    bank = nn.Parameter(torch.randn(4, 16, 8, 3, 3) * (2 / 72) ** 0.5)
    return Written(forward, gate=nn.Linear(8, 4), bank=bank, out=nn.Linear(16, CLASSES))


def transformed_features() -> Written:
    """A PointNet: features are multiplied by the identity plus a matrix that a network predicts."""

    def forward(net: Any, x: Tensor) -> Any:
        x = net.points(x).relu()
        matrix = net.matrix(net.trunk(x.amax(1))).view(-1, WIDTH, WIDTH) + torch.eye(WIDTH)
        return net.out((x @ matrix).amax(1))

    torch.manual_seed(0)
    matrix = nn.Linear(HIDDEN, WIDTH * WIDTH)
    return Written(forward, **_parts(points=nn.Linear(WIDTH, WIDTH), matrix=matrix))


def adapters(std: float = 1e-3) -> Written:
    """Residual branches whose weights are generated and start small."""

    def forward(net: Any, x: Tensor) -> Any:
        hidden = net.trunk(x)
        x = net.first(x)
        for down, up in zip(net.down, net.up, strict=True):
            small = PRODUCTS["einsum"](x, down(hidden).view(-1, 16, WIDTH)).relu()
            x = x + PRODUCTS["einsum"](small, up(hidden).view(-1, WIDTH, 16))
        return net.out(x)

    torch.manual_seed(0)
    down, up = (nn.ModuleList(nn.Linear(HIDDEN, 16 * WIDTH) for _ in range(2)) for _ in range(2))
    for layer in (*down, *up):
        assert isinstance(layer, nn.Linear)
        nn.init.normal_(layer.weight, std=std)
        nn.init.zeros_(layer.bias)
    return Written(forward, **_parts(first=nn.Linear(WIDTH, WIDTH), down=down, up=up))
