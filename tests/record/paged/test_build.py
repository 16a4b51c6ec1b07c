"""A model that is built deferred has the tensors of an ordinary build, with other random numbers."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from inithealth.record.paged.address_space import resident_bytes
from inithealth.record.paged.build import CannotDefer, build_deferred
from tests.record.paged.building import bits, build, differences, fill, holding, made, recipes

SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}


class Layers(nn.Module):
    """Layers of many kinds, each with an initialization."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(300, 200)
        self.embedding = nn.Embedding(100, 50, padding_idx=3)
        self.convolutions = nn.Sequential(nn.Conv2d(8, 16, 3), nn.ConvTranspose1d(8, 16, 3), nn.BatchNorm2d(8))
        self.recurrent = nn.ModuleList([nn.LSTM(20, 30, 2), nn.GRUCell(5, 6)])
        self.attention = nn.MultiheadAttention(32, 4)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 2)
        self.other = nn.ModuleList([nn.LayerNorm(40), nn.Bilinear(4, 5, 6), nn.PReLU()])
        self.tied = nn.Linear(50, 100, bias=False)
        self.tied.weight = self.embedding.weight
        self.half = nn.Linear(100, 100).half()
        self.double = nn.Linear(100, 100).to(torch.float64)


class Initialized(nn.Module):
    """Layers that functions of torch.nn.init filled."""

    def __init__(self) -> None:
        super().__init__()
        init = nn.init
        functions = [
            *(init.orthogonal_, init.xavier_uniform_, init.xavier_normal_, init.kaiming_uniform_, init.kaiming_normal_),
            *(init.eye_, init.zeros_, init.ones_, init.normal_),
        ]
        self.filled = nn.ModuleList(nn.Linear(48, 48) for _ in functions)
        for layer, function in zip(self.filled, functions, strict=True):
            function(layer.weight)
        self.sparse = nn.Parameter(init.sparse_(torch.empty(50, 50), 0.5))
        self.truncated = nn.Parameter(init.trunc_normal_(torch.empty(60, 60), std=0.02))
        self.narrow = nn.Parameter(
            init.trunc_normal_(torch.empty(60, 60, dtype=torch.bfloat16), std=2.0, a=-0.1, b=0.1)
        )
        self.dirac = nn.Parameter(init.dirac_(torch.empty(8, 8, 3)))


class Parametrized(nn.Module):
    """Layers whose weights are computed."""

    def __init__(self) -> None:
        super().__init__()
        parametrizations = nn.utils.parametrizations
        self.weight_norm = parametrizations.weight_norm(nn.Linear(30, 20))
        self.spectral_norm = parametrizations.spectral_norm(nn.Linear(30, 20))
        self.orthogonal = parametrizations.orthogonal(nn.Linear(20, 20))


class Own(nn.Module):
    """Parameters and buffers that the module made itself."""

    def __init__(self) -> None:
        super().__init__()
        self.scaled = nn.Parameter(torch.randn(100, 20) * 0.02)
        self.joined = nn.Parameter(torch.cat([torch.zeros(10), torch.randn(500)]))
        self.complex = nn.Parameter(torch.randn(100, dtype=torch.complex64))
        self.transposed = nn.Parameter(torch.randn(50, 60).t())
        self.copied = nn.Parameter(torch.empty(1000))
        with torch.no_grad():
            self.copied.copy_(torch.rand(1000) * 3)
        self.data = nn.Parameter(torch.empty(10))
        self.data.data = torch.rand(30, 10) + 1
        self.frozen = nn.Parameter(2 * torch.ones(7, 7), requires_grad=False)
        self.register_buffer("positions", torch.arange(10))
        self.register_buffer("mask", torch.tril(torch.ones(9, 9, dtype=torch.bool)), persistent=False)
        self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 12)]


def language_model(name: str, **config: Any) -> nn.Module:
    transformers = pytest.importorskip("transformers")
    model: nn.Module = getattr(transformers, name)(getattr(transformers, name).config_class(**config))
    return model


MODELS = {
    "layers": Layers,
    "initialized": Initialized,
    "parametrized": Parametrized,
    "own": Own,
    "llama": lambda: language_model("LlamaForCausalLM", vocab_size=300, pad_token_id=0, **SMALL),
    "tied llama": lambda: language_model("LlamaForCausalLM", vocab_size=300, tie_word_embeddings=True, **SMALL),
    "gpt2": lambda: language_model(
        "GPT2LMHeadModel", n_embd=64, n_layer=2, n_head=4, vocab_size=300, bos_token_id=1, eos_token_id=1
    ),
    "bert": lambda: language_model("BertModel", vocab_size=300, **SMALL),
    "t5": lambda: language_model("T5Model", d_model=64, d_kv=16, d_ff=96, num_layers=2, num_heads=4, vocab_size=300),
    "vit": lambda: language_model("ViTModel", **SMALL),
}


@pytest.mark.parametrize("name", MODELS)
def test_each_tensor_has_the_distribution_of_an_ordinary_build(name: str) -> None:
    built = build(MODELS[name])
    fill(built)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        twin = MODELS[name]()
    assert differences(built.made, twin) == []
    shapes = {key: (value.shape, value.dtype) for key, value in built.made.state_dict().items()}
    assert shapes == {key: (value.shape, value.dtype) for key, value in twin.state_dict().items()}
    total = sum(p.numel() for _, p in built.made.named_parameters())
    assert total == sum(p.numel() for _, p in twin.named_parameters())


@pytest.mark.parametrize("name", MODELS)
def test_values_are_the_same_each_time_and_in_any_order_of_pieces(name: str) -> None:
    for recipe in recipes(build(MODELS[name])):
        whole, pieces = torch.UntypedStorage(recipe.nbytes), torch.UntypedStorage(recipe.nbytes)
        recipe.fill(whole)
        for piece in reversed(range(recipe.pieces())):
            recipe.fill(pieces, piece)
        assert torch.equal(bits(whole), bits(pieces))


def test_small_storages_have_their_values_at_once() -> None:
    built = build(Layers, small=2**14)
    assert min(recipe.nbytes for recipe in recipes(built)) > 2**14
    large = {region.storage._cdata for region, _ in built.regions}
    small = [p for p in built.made.parameters() if p.untyped_storage()._cdata not in large]
    assert {p.numel() * p.itemsize <= 2**14 for p in small} == {True}
    assert built.made.linear.bias.std() > 0
    assert len(built.regions) + len(small) > 20


def test_values_depend_on_the_seed_alone() -> None:
    first, second, third = made(Layers), made(Layers), made(Layers, seed=1)
    assert torch.equal(first.linear.weight, second.linear.weight)
    assert not torch.equal(first.linear.weight, third.linear.weight)
    assert torch.equal(first.linear.weight, made(Layers, small=2**20).linear.weight)


def test_what_stays_fake_is_nothing() -> None:
    def fill_holder(self: Any) -> None:
        self.listed = [torch.randn(40), {"inner": torch.rand(30)}]
        self.function = (lambda held: lambda: held)(torch.randn(3))
        self.weight = nn.Parameter(torch.randn(3))
        self.computed = (self.weight * 2).sum()
        self.tuple = (self.weight, {torch.randn(2)})

    before = {id(each) for each in gc.get_objects()}
    held = made(holding(fill_holder))
    fresh = [each for each in gc.get_objects() if id(each) not in before]
    assert not [each for each in fresh if issubclass(type(each), FakeTensor)]
    assert type(held.function()) is Tensor
    assert held.tuple[0] is held.weight
    assert torch.isfinite(held.listed[1]["inner"]).all()


def test_parameters_keep_attributes_hooks_and_weak_references() -> None:
    calls: list[str] = []

    class Special(nn.Parameter):
        pass

    def fill_holder(self: Any) -> None:
        self.weight = Special(torch.randn(50))
        self.weight.partition = (1, 2)
        self.weight.register_hook(lambda gradient: calls.append("gradient"))
        self.weight.register_post_accumulate_grad_hook(lambda parameter: calls.append("accumulated"))
        self.reference = weakref.ref(self.weight)
        self.rows = self.weight.data[3:5]

    model = made(holding(fill_holder))
    model.weight.sum().backward()
    assert calls == ["gradient", "accumulated"]
    assert type(model.weight) is Special
    assert model.weight.partition == (1, 2)
    assert vars(model.weight).keys() == {"partition"}
    assert model.reference() is model.weight
    assert model.rows.data_ptr() == model.weight[3:].data_ptr()


def test_a_copy_of_a_layer_has_its_values() -> None:
    def fill_holder(self: Any) -> None:
        self.first = nn.Linear(100, 100)
        self.second = copy.deepcopy(self.first)
        self.third = nn.Linear(100, 100)
        self.third.load_state_dict(self.first.state_dict())

    model = made(holding(fill_holder))
    assert torch.equal(model.first.weight, model.second.weight)
    assert torch.equal(model.first.weight, model.third.weight)
    assert model.first.weight is not model.second.weight


def test_a_tuple_with_a_module() -> None:
    model, note = made(lambda: (nn.Linear(30, 30), "note"))
    assert note == "note"
    assert model.weight.std() > 0


def on_meta() -> nn.Module:
    with torch.device("meta"):
        return nn.Sequential(nn.Linear(30, 40), nn.BatchNorm1d(40))


def test_a_model_on_the_meta_device_is_initialized_by_init() -> None:
    def init(model: nn.Module) -> None:
        nn.init.constant_(model[0].weight, 2.0)  # type: ignore[index]
        model[1].reset_parameters()  # type: ignore[index]

    model = made(on_meta, init=init)
    assert (model[0].weight == 2).all()
    assert model[0].bias.isnan().all()
    assert (model[1].running_var == 1).all()


def test_a_model_on_the_meta_device_without_init_is_refused() -> None:
    with pytest.raises(CannotDefer, match=r"test_build.py:\d+: .*'0.weight' on the meta device.*`init=`"):
        build(on_meta)


def test_large_existing_tensors_in_the_model_are_refused() -> None:
    table = torch.zeros(100, 1000)
    with pytest.raises(CannotDefer, match=r"'table'.* take 400,000 bytes"):
        build(holding(lambda self: self.register_buffer("table", table)), limit=2**16)


@pytest.mark.parametrize(
    ("fill_holder", "message"),
    [
        (lambda self: setattr(self, "layer", nn.LazyLinear(5)), "UninitializedParameter .*not lazy"),
        (lambda self: setattr(self, "number", torch.randn(5).untyped_storage()[0]), "a tensor's values or memory"),
    ],
)
def test_what_needs_memory_is_refused(fill_holder: Any, message: str) -> None:
    with pytest.raises(CannotDefer, match=rf"test_build.py:\d+: .*{message}"):
        build(holding(fill_holder))


def test_errors_of_the_factory_stay_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError):
        build(lambda: 1 / 0)
    with pytest.raises(RuntimeError, match="same reduction dim"):
        build(lambda: torch.randn(2, 3) @ torch.randn(2, 3))


def test_a_build_without_memory() -> None:
    layers = 64  # of 1 GiB
    model = build_deferred(lambda: nn.ModuleList(nn.Linear(2**14, 2**14) for _ in range(layers)), limit=0).made
    weights, before = [layer.weight for layer in model], resident_bytes()
    assert before < layers * 2**30 // 2
    assert {weight.shape for weight in weights} == {(2**14, 2**14)}
