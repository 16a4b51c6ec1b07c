"""What each layer feeds, whatever way the net is written in."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth.recording import Layer
from tests.record.reading import Written, flow_behind, read, squares

X, SEQUENCES, IMAGES = torch.randn(5, 6), torch.randn(2, 3, 6), torch.randn(2, 3, 8, 8)


def linear(*widths: int) -> nn.Linear:
    return nn.Linear(*(widths or (6, 6)))


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape))


def between(function: Callable[[Tensor], Tensor], width: int = 6) -> Written:
    """Two layers with something between them."""
    return Written(lambda net, x: net.head(function(net.body(x))), body=linear(6, width), head=linear(6, 2))


def place(layer: Layer) -> tuple[object, ...]:
    return layer.feeds, layer.activation, layer.normed, layer.ends_branch, layer.bypassable, layer.head


def rms_norm(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


def layer_norm(x: Tensor) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-5).sqrt()


ACTIVATIONS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "F.relu": ("relu", F.relu),
    "in place": ("relu", lambda x: F.relu(x, inplace=True)),
    "x.relu()": ("relu", lambda x: x.relu()),
    "x.relu_()": ("relu", lambda x: x.relu_()),
    "clamp_min": ("relu", lambda x: x.clamp_min(0)),
    "squared relu": ("relu", lambda x: x.relu() ** 2),
    "relu6": ("relu6", F.relu6),
    "leaky": ("leaky_relu", F.leaky_relu),
    "prelu": ("prelu", lambda x: F.prelu(x, torch.tensor([0.1]))),
    "silu": ("silu", F.silu),
    "gelu": ("gelu", F.gelu),
    "gelu by tanh": ("tanh", lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
    "elu": ("elu", F.elu),
    "selu": ("selu", F.selu),
    "tanh": ("tanh", torch.tanh),
    "sigmoid": ("sigmoid", torch.sigmoid),
    "softplus": ("softplus", F.softplus),
    "sine": ("sin", lambda x: torch.sin(30 * x)),
    "softmax": ("softmax", lambda x: x.softmax(-1)),
    "exp": ("exp", torch.exp),
    "behind dropout": ("relu", lambda x: F.relu(F.dropout(x, 0.1))),
    "behind views and permutes": ("relu", lambda x: x.view(-1, 2, 3).permute(0, 2, 1).relu().flatten(1)),
    "behind a scale and a shift": ("tanh", lambda x: (0.5 * x + 1).tanh()),
    "behind a copy to another precision": ("tanh", lambda x: x.double().tanh().float()),
    "behind a chunk and a cat": ("relu", lambda x: torch.cat(x.chunk(2, -1)[::-1], -1).relu()),
    "concatenated": ("relu", lambda x: torch.cat([x.relu(), (-x).relu()], -1)[:, :6]),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_activation_that_a_layer_feeds(name: str) -> None:
    wanted, function = ACTIVATIONS[name]
    layers = read(between(function), X).layers
    assert place(layers["body"]) == ("activation", wanted, False, False, False, False)
    assert place(layers["head"]) == ("loss", None, False, False, False, True)


@pytest.mark.parametrize("clamp", [lambda x: x.clamp(min=0), lambda x: x.clamp(0), lambda x: torch.clamp(x, min=0.0)])
def test_a_clamp_at_zero_is_a_relu(clamp: Callable[[Tensor], Tensor]) -> None:
    reading = read(between(clamp), X)
    assert reading.layers["body"].activation == "relu"
    assert reading.measured["body"].dead_share is not None


def test_a_clamp_elsewhere_is_none() -> None:
    assert read(between(lambda x: x.clamp(min=-1)), X).layers["body"].activation != "relu"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (nn.ReLU(), "relu"),
        (nn.SELU(), "selu"),
        (nn.PReLU(), "prelu"),
        (nn.GELU(), "gelu"),
        (nn.SiLU(), "silu"),
        (nn.Hardswish(), "hardswish"),
        (nn.Mish(), "mish"),
        (nn.Sequential(nn.Dropout(0.1), nn.Identity(), nn.Tanh()), "tanh"),
    ],
    ids=str,
)
@pytest.mark.parametrize("x", [X, IMAGES.mean(1)[:, :, :6]], ids=["rows", "sequences"])
def test_an_activation_module_is_met_like_its_function(module: nn.Module, name: str, x: Tensor) -> None:
    layers = read(nn.Sequential(linear(), module, linear(6, 2)), x).layers
    assert (layers["0"].feeds, layers["0"].activation) == ("activation", name)


IN_PLACE: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "behind a layer of rows": (lambda: linear(), X),
    "behind a convolution": (lambda: nn.Conv2d(3, 6, 3), IMAGES),
    "behind a batch norm": (lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)), IMAGES),
}
IN_PLACE_ON_A_VIEW: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "behind a layer of sequences": (lambda: linear(), SEQUENCES),
    "behind an instance norm": (lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.InstanceNorm2d(6)), IMAGES),
}


def leaf_in_place() -> Tensor:
    y = torch.ones(2, 4, requires_grad=True) * 1
    y[:, :2].relu_()
    return y


@pytest.mark.parametrize("name", IN_PLACE)
def test_an_activation_in_place_is_seen(name: str) -> None:
    build, x = IN_PLACE[name]
    reading = read(nn.Sequential(build(), nn.ReLU(inplace=True)), x)
    layer = reading.recorder.layers[0]
    assert layer.activation == "relu"
    assert reading.measured[layer.name].dead_share is not None


UNTOLD = pytest.mark.xfail(
    not hasattr(leaf_in_place().grad_fn, "_wrapped_node"), reason="torch before 2.14 does not tell what CopySlices does"
)


@UNTOLD
@pytest.mark.parametrize("name", IN_PLACE_ON_A_VIEW)
def test_an_activation_in_place_on_a_view_is_seen(name: str) -> None:
    build, x = IN_PLACE_ON_A_VIEW[name]
    reading = read(nn.Sequential(build(), nn.ReLU(inplace=True)), x)
    assert reading.recorder.layers[0].activation == "relu"


@UNTOLD
@pytest.mark.parametrize("name", IN_PLACE_ON_A_VIEW)
def test_dead_units_of_an_activation_in_place_on_a_view_are_counted(name: str) -> None:
    build, x = IN_PLACE_ON_A_VIEW[name]
    (measured, *_) = read(nn.Sequential(build(), nn.ReLU(inplace=True)), x).step.layers
    assert measured.dead_share is not None


NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "batch norm": lambda x: F.batch_norm(x, None, None, training=True),
    "batch norm, evaluating": lambda x: F.batch_norm(x, torch.zeros(6), torch.ones(6)),
    "layer norm": lambda x: F.layer_norm(x, (6,)),
    "group norm": lambda x: F.group_norm(x, 2),
    "RMS norm": lambda x: F.rms_norm(x, (6,)),
    "RMS norm by hand": rms_norm,
    "RMS norm by hand in another precision": lambda x: rms_norm(x.double()).float(),
    "layer norm by hand": layer_norm,
    "layer norm by std": lambda x: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5),
    "F.normalize": lambda x: F.normalize(x, dim=-1),
}


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("activation", [torch.relu, torch.tanh])
def test_a_norm_is_met_and_looked_through(name: str, activation: Callable[[Tensor], Tensor]) -> None:
    body = read(between(lambda x: activation(NORMS[name](x))), X).layers["body"]
    assert (body.feeds, body.normed, body.activation) == ("norm", True, activation.__name__)


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.LayerNorm([4, 6, 6])], ids=str
)
def test_a_norm_module_behind_a_convolution(norm: nn.Module) -> None:
    layers = read(nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.ReLU(), nn.Conv2d(4, 2, 1)), IMAGES).layers
    assert place(layers["0"]) == ("norm", "relu", True, False, False, False)


def test_a_learned_gain_behind_a_norm_by_hand_is_a_layer_of_its_own() -> None:
    net = Written(
        lambda net, x: net.head((rms_norm(net.body(x)) * net.gain).relu()),
        body=linear(), gain=parameter(6), head=linear(6, 2),
    )  # fmt: skip
    layers = read(net, X).layers
    assert (layers["body"].feeds, layers["body"].activation) == ("norm", "relu")
    assert (layers["gain"].kind, layers["gain"].feeds, layers["gain"].activation) == ("norm", "activation", "relu")


# Residual blocks: a stem, a branch of two layers, a head; and how the branch comes back.
JOINS: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "x + f": lambda net, x, f: x + f,
    "f + x": lambda net, x, f: f + x,
    "f += x": lambda net, x, f: f.add_(x),
    "x - f": lambda net, x, f: x - f,
    "torch.add with a factor": lambda net, x, f: torch.add(x, f, alpha=0.1),
    "scaled by constants": lambda net, x, f: 0.5 * x + 0.1 * f,
    "behind dropout": lambda net, x, f: x + F.dropout(f, 0.1),
    "lerp": lambda net, x, f: torch.lerp(x, f, 0.3),
    "ReZero": lambda net, x, f: x + net.alpha * f,
    "layer scale": lambda net, x, f: x + net.scale * f,
    "addcmul": lambda net, x, f: torch.addcmul(x, net.scale.expand_as(f), f),
}


def residual(join: Callable[[Any, Tensor, Tensor], Tensor]) -> Written:
    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        return net.head(join(net, x, net.last(net.first(x).relu())))

    parts = {"alpha": parameter(1), "scale": parameter(6)}
    return Written(forward, stem=linear(), first=linear(), last=linear(), head=linear(6, 2), **parts)


@pytest.mark.parametrize("name", JOINS)
def test_a_residual_branch_ends_at_its_last_layer(name: str) -> None:
    layers = read(residual(JOINS[name]), X).layers
    assert place(layers["first"]) == ("activation", "relu", False, False, True, False)
    assert place(layers["last"]) == ("residual", None, False, True, True, False)
    assert not layers["stem"].bypassable
    assert not layers["head"].bypassable
    for scale in layers.keys() & {"alpha", "scale"}:
        assert (layers[scale].kind, layers[scale].bypassable) == ("scale", True)


def test_a_raw_input_is_a_trunk_too() -> None:
    net = Written(lambda net, x: net.head(x + net.last(net.first(x))), first=linear(), last=linear(), head=linear(6, 2))
    assert place(read(net, X).layers["last"]) == ("residual", None, False, True, True, False)


def test_both_sides_of_a_projection_shortcut_can_be_gone_round() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        return net.head((net.shortcut(x) + net.last(net.first(x).relu())).relu())

    net = Written(forward, stem=linear(), first=linear(), last=linear(6, 8), shortcut=linear(6, 8), head=linear(8, 2))
    layers = read(net, X).layers
    for name in ("shortcut", "last"):
        assert place(layers[name]) == ("activation", "relu", False, False, True, False)
    assert not layers["stem"].bypassable


@pytest.mark.parametrize("first", [True, False], ids=["pre-norm", "post-norm"])
def test_in_a_transformer_each_branch_ends_where_it_is_added(first: bool) -> None:
    layer = nn.TransformerEncoderLayer(6, 2, 12, dropout=0.1, batch_first=True, norm_first=first)
    net = nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), linear(6, 2))
    layers = read(net, SEQUENCES).layers
    ends = {name.removeprefix("0.layers.") for name, layer in layers.items() if layer.ends_branch}
    assert ends == {f"{block}.{last}" for block in (0, 1) for last in ("self_attn.out_proj", "linear2")}
    assert all(layers[f"0.layers.{block}.linear1"].activation == "relu" for block in (0, 1))
    assert all(layers[f"0.layers.{block}.self_attn"].feeds == "attention" for block in (0, 1))
    assert {layers[f"0.layers.{block}.linear2"].feeds for block in (0, 1)} == {"residual"}
    assert all(layers[f"0.layers.{block}.{name}"].bypassable for block in (0, 1) for name in ("linear1", "self_attn"))


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.transpose(-1, -2) / 6**0.5).softmax(-1) @ v


ATTENTION: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "by hand": attend,
    "fused": lambda q, k, v: F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0],
    "masked": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, attn_mask=torch.ones(3, 3).tril().bool()),
    "causal": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
    "by baddbmm": lambda q, k, v: torch.baddbmm(torch.zeros(2, 3, 3), q, k.mT).softmax(-1).bmm(v),
    "by einsum": lambda q, k, v: torch.einsum("bts,bsd->btd", torch.einsum("btd,bsd->bts", q, k).softmax(-1), v),
}


def attention(attend: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Written:
    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        return net.out(attend(net.q(x), net.k(x), net.v(x)))

    return Written(forward, stem=linear(), q=linear(), k=linear(), v=linear(), out=linear())


@pytest.mark.parametrize("name", ATTENTION)
def test_queries_keys_and_values_feed_attention(name: str) -> None:
    layers = read(attention(ATTENTION[name]), SEQUENCES).layers
    assert {layers[part].feeds for part in ("q", "k", "v")} == {"attention"}
    assert {layers[part].activation for part in ("q", "k", "v")} == {None}
    assert layers["out"].head
    assert not layers["v"].exempt_zero_gradient


def test_attention_is_read_alike_fused_and_by_hand() -> None:
    """A zero value projection stops the signal in both."""
    hand, fused = (read(attention(ATTENTION[name]), SEQUENCES).layers for name in list(ATTENTION)[:2])
    assert {name: place(layer) for name, layer in fused.items()} == {name: place(layer) for name, layer in hand.items()}


@pytest.mark.parametrize("name", list(ATTENTION)[:2])
def test_over_a_single_token_queries_and_keys_have_no_gradient_by_right(name: str) -> None:
    reading = read(attention(ATTENTION[name]), SEQUENCES[:, :1])
    exempt = {part for part, layer in reading.layers.items() if layer.exempt_zero_gradient}
    # The fused kernel leaves a rounding error there, depending on where the memory lies.
    sizes = {part: each.weight_gradient or 0.0 for part, each in reading.measured.items()}
    assert exempt == {part for part, size in sizes.items() if size < 1e-6 * max(sizes.values())} == {"q", "k"}


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("cross", [True, False])
def test_multihead_attention_is_two_layers(weights: bool, cross: bool) -> None:
    net = Written(
        lambda net, x: net.head(net.attention(x, *[x * 2 if cross else x] * 2, need_weights=weights)[0].tanh()),
        attention=nn.MultiheadAttention(6, 2, batch_first=True), head=linear(6, 2),
    )  # fmt: skip
    reading = read(net, SEQUENCES)
    assert reading.layers["attention"].feeds == "attention"
    assert reading.layers["attention.out_proj"].activation == "tanh"
    assert reading.measured["attention.out_proj"].output is not None


def test_a_packed_projection_feeds_attention_once() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        return net.out(attend(*net.qkv(x).chunk(3, -1)))

    layers = read(Written(forward, qkv=linear(6, 18), out=linear()), SEQUENCES).layers
    assert layers["qkv"].feeds == "attention"


GATES: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "SwiGLU": lambda net, x: F.silu(net.gate(x)) * net.up(x),
    "GEGLU": lambda net, x: net.up(x) * F.gelu(net.gate(x)),
    "bilinear, one side activated": lambda net, x: net.up(x).mul(net.gate(x).sigmoid()),
}


@pytest.mark.parametrize("name", GATES)
def test_of_a_gate_one_side_is_activated_the_other_is_gated(name: str) -> None:
    net = Written(lambda net, x: net.down(GATES[name](net, x)), gate=linear(), up=linear(), down=linear(6, 2))
    layers = read(net, X).layers
    assert layers["gate"].feeds == "activation"
    assert (layers["up"].feeds, layers["up"].activation) == ("gate", None)
    assert not layers["up"].bypassable
    assert not layers["gate"].bypassable


def test_a_squeeze_and_excitation_gates_the_channels() -> None:
    def forward(net: Any, x: Tensor) -> Tensor:
        x = net.conv(x)
        gate = net.excite(net.squeeze(x.mean((2, 3))).relu()).sigmoid()
        return net.head((x * gate[:, :, None, None]).mean((2, 3)))

    parts = {"squeeze": linear(4, 2), "excite": linear(2, 4), "head": linear(4, 2)}
    layers = read(Written(forward, conv=nn.Conv2d(3, 4, 3), **parts), IMAGES).layers
    assert layers["conv"].feeds == "gate"
    assert (layers["squeeze"].activation, layers["excite"].activation) == ("relu", "sigmoid")


def test_what_a_concatenation_skips_can_be_gone_round() -> None:
    """A U-Net: the path over the bottom, and the one across."""

    def forward(net: Any, x: Tensor) -> Tensor:
        across = net.into(x).relu()
        return net.out(torch.cat([across, net.up(net.down(across).relu()).relu()], 1))

    parts = {"into": nn.Conv2d(3, 4, 3, padding=1), "out": nn.Conv2d(8, 2, 1)}
    bottom = {"down": nn.Conv2d(4, 4, 2, stride=2), "up": nn.ConvTranspose2d(4, 4, 2, stride=2)}
    layers = read(Written(forward, **parts, **bottom), IMAGES).layers
    assert {name for name, layer in layers.items() if layer.bypassable} == {"down", "up"}
    assert {name for name, layer in layers.items() if layer.head} == {"out"}


def test_a_tied_embedding_is_a_layer_for_each_use() -> None:
    net = Written(
        lambda net, tokens: net.head(net.body(net.embedding(tokens)).relu()),
        embedding=nn.Embedding(9, 6), body=linear(), head=nn.Linear(6, 9, bias=False),
    )  # fmt: skip
    net.head.weight = net.embedding.weight
    layers = read(net, torch.arange(5)).layers
    embedding, head = layers["embedding"], layers["head"]
    assert (embedding.kind, embedding.feeds, embedding.head) == ("embedding", "layer", False)
    assert (head.kind, head.feeds, head.head) == ("linear", "loss", True)
    assert embedding.weight is not None
    assert embedding.weight.tied_to == ("head.weight",)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_lead_on_to_what_reads_them(kind: type[nn.RNNBase]) -> None:
    net = Written(lambda net, x: net.head(net.cell(x)[0][:, -1]), cell=kind(6, 6, batch_first=True), head=linear(6, 2))
    layers = read(net, SEQUENCES).layers
    assert set(layers) == {"cell.weight_ih_l0", "cell.weight_hh_l0", "head"}
    assert {name for name, layer in layers.items() if layer.head} == {"head"}
    assert all(layer.called and layer.reaches_loss for layer in layers.values())


def test_two_heads_both_feed_the_loss() -> None:
    def forward(net: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        x = net.body(x).relu()
        return net.one(x), net.two(x)

    net = Written(forward, body=linear(), one=linear(), two=linear(6, 3))
    layers = read(net, X).layers
    assert {name for name, layer in layers.items() if layer.head} == {"one", "two"}
    assert {layers[name].feeds for name in ("one", "two")} == {"loss"}


@pytest.mark.parametrize(
    "loss",
    [
        lambda output: F.cross_entropy(output, torch.zeros(len(output), dtype=torch.int64)),
        lambda output: F.mse_loss(output, torch.zeros(output.shape)),
        lambda output: F.binary_cross_entropy_with_logits(output, torch.zeros(output.shape)),
        lambda output: output.sum(),
    ],
    ids=["cross entropy", "mse", "bce", "sum"],
)
def test_the_last_layer_feeds_the_loss_whatever_it_is(loss: Callable[[Tensor], Tensor]) -> None:
    layers = read(nn.Sequential(linear(), nn.ReLU(), linear(6, 3)), X, loss=loss).layers
    assert (layers["2"].feeds, layers["2"].head) == ("loss", True)
    assert (layers["0"].feeds, layers["0"].head) == ("activation", False)


def test_the_network_reads_the_leaves_whose_scale_reaches_a_weight() -> None:
    """Not a target, that only the loss reads; nor what a norm comes before."""
    net = Written(lambda net, x, normed, target: ((net.one(x) + net.two(F.layer_norm(normed, (6,))) - target) ** 2),
                  one=linear(), two=linear())  # fmt: skip
    leaves = [torch.randn(5, 6, requires_grad=True) for _ in range(3)]
    assert flow_behind(net, net(*leaves).sum()).inputs() == {id(leaves[0])}


def test_activations_are_told_with_the_layers_that_feed_them() -> None:
    net = Written(lambda net, x: net.head((net.one(x) + net.two(x)).relu()), one=linear(), two=linear(), head=linear())
    flow = flow_behind(net, squares(net(X.clone().requires_grad_())))
    ((node, sources),) = flow.activations().items()
    assert flow.graph.names[node] == "Relu"
    assert {flow.operations[source].weights for source in sources} == {("one.weight",), ("two.weight",)}


def test_a_net_written_with_modules_and_its_twin_have_the_same_flow() -> None:
    front = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
    modules = nn.Sequential(*front, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2))

    def forward(net: Any, x: Tensor) -> Tensor:
        x = F.batch_norm(F.conv2d(x, net.a, net.b), None, None, net.c, net.d, training=True)
        return F.linear(F.max_pool2d(F.relu(x), 2).flatten(1), net.e, net.f)

    shapes = {"a": (4, 3, 3, 3), "b": (4,), "c": (4,), "d": (4,), "e": (2, 36), "f": (2,)}
    twin = Written(forward, **{name: parameter(*shape) for name, shape in shapes.items()})
    one, other = (read(net, IMAGES).recorder.layers for net in (modules, twin))
    assert [(layer.kind, *place(layer)) for layer in one] == [(layer.kind, *place(layer)) for layer in other]
    assert [layer.name for layer in one] == ["0", "1", "5"]
    assert [layer.name for layer in other] == ["a", "c", "e"]
