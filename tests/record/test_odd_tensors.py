"""Every value that a layer returns or holds is measured or reported as not measured, and the run continues."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

import inithealth
from inithealth import Report
from tests.record.reading import Written, squares
from tests.record.twins import numbers, statistics

X = torch.randn(8, 6, generator=torch.Generator().manual_seed(1))
Named = namedtuple("Named", ["value", "other"])
pytestmark = [
    pytest.mark.filterwarnings("ignore:Sparse CS. tensor support is in beta state:UserWarning"),
    pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning"),
]


@dataclass
class Output:
    logits: Tensor
    hidden: Any = None


class Odd(nn.Module):
    """A layer that returns an unusual type."""

    def __init__(self, wrap: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.weight, self.wrap = nn.Parameter(torch.randn(6, 6) / 6**0.5), wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(x @ self.weight)


class Net(nn.Module):
    """The unusual layer, a conversion of its output to a plain tensor, and a plain layer."""

    def __init__(self, wrap: Callable[[Tensor], Any], unwrap: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.odd, self.head, self.unwrap = Odd(wrap), nn.Linear(6, 2), unwrap

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.unwrap(self.odd(x)).relu())
        return output


Way = tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]
MEASURED: dict[str, Way] = {
    "a dict": (lambda y: {"value": y, "count": 1}, lambda o: o["value"]),
    "a dataclass": (lambda y: Output(y), lambda o: o.logits),
    "nested tuples": (lambda y: ((y, None), [y.sum()]), lambda o: o[0][0]),
    "a named tuple": (lambda y: Named(y, 3), lambda o: o.value),
    "an object": (lambda y: SimpleNamespace(value=y), lambda o: o.value),
    "complex": (lambda y: torch.complex(y, y), lambda o: o.real),
    "conjugate": (lambda y: torch.complex(y, y).conj(), lambda o: o.imag),
    "sparse COO": (lambda y: y.to_sparse(), lambda o: o.to_dense()),
    "sparse CSR": (lambda y: y.to_sparse_csr(), lambda o: o.to_dense()),
    "bf16": (lambda y: y.bfloat16(), lambda o: o.float()),
    "fp16": (lambda y: y.half(), lambda o: o.float()),
    "fp8": (lambda y: y.to(torch.float8_e4m3fn), lambda o: o.float()),
    "fp64": (lambda y: y.double(), lambda o: o.float()),
    "0-d": (lambda y: y.sum(), lambda o: o.abs().expand(4, 6)),
    "integers beside it": (lambda y: (y.argmax(-1), y), lambda o: o[1]),
    "a view of it": (lambda y: y.view(4, 2, 6).transpose(0, 1), lambda o: o.reshape(8, 6)),
}
BLIND: dict[str, Way] = {
    "integers": (lambda y: y.argmax(-1), lambda o: F.one_hot(o, 6).float()),
    "booleans": (lambda y: y > 0, lambda o: o.float()),
}


def checked(model: nn.Module, *batch: Any) -> Report:
    return inithealth.check(model, inithealth.Call(*batch), loss=squares)


def watched(model: nn.Module, *batch: Any) -> Report:
    with inithealth.watch(model) as monitor:
        loss = squares(model(*batch))
        loss.backward()
        monitor.step(loss)
    return monitor.report


WAYS: dict[str, Callable[..., Report]] = {"check": checked, "watch": watched}
both = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(autouse=True)
def _warned_each_time() -> Iterator[None]:
    """Reset torch's once-per-process warnings; otherwise only the first test would see them."""
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


def silent(report: Report) -> set[str]:
    """Return the used layers that lack some value without being reported."""
    measured = {m.layer: m for m in report.measurements}
    shown = {line.partition(":")[0] for line in report.not_measured}
    found = set()
    for layer in report.layers:
        found_at = measured.get(layer.name)
        complete = found_at is not None and found_at.output is not None
        if (layer.called or layer.reaches_loss) and not complete and not shown & {layer.name, layer.module}:
            found.add(layer.name)
    return found


@both
@pytest.mark.parametrize("name", MEASURED)
def test_an_unusual_output_is_measured(way: str, name: str) -> None:
    model = Net(*MEASURED[name])
    report = WAYS[way](model, X)
    assert not silent(report)
    measured = {m.layer: m for m in report.measurements}["odd"]
    product = numbers(X @ model.odd.weight)
    wanted = statistics(product)["rms"]
    assert measured.output is not None
    assert measured.output.rms == pytest.approx(wanted, rel=0.05 if name == "fp8" else 0.01)
    assert measured.gradient is not None
    assert measured.gradient.rms > 0
    assert measured.weight_gradient is not None
    assert measured.weight_gradient > 0


@both
@pytest.mark.parametrize("name", BLIND)
def test_an_output_without_real_values_is_reported(way: str, name: str) -> None:
    report = WAYS[way](Net(*BLIND[name]), X)
    assert any(line.startswith("odd: ") for line in report.not_measured)
    assert not silent(report)


@both
def test_the_first_tensor_with_values_is_measured(way: str) -> None:
    report = WAYS[way](Net(lambda y: (y[:0], y), lambda o: o[1]), X)
    assert not silent(report)


@both
def test_an_empty_output_is_reported(way: str) -> None:
    report = WAYS[way](Net(lambda y: y[:0], lambda o: o.sum(0, keepdim=True).expand(3, 6) + 1), X)
    assert not silent(report)


def nested() -> Tensor:
    return torch.nested.nested_tensor([torch.randn(3, 6), torch.randn(2, 6)], layout=torch.jagged)


def layer(*widths: int, **options: Any) -> nn.Linear:
    return nn.Linear(*(widths or (6, 6)), **options)


def free(dtype: torch.dtype = torch.float32) -> nn.Parameter:
    """A parameter that belongs to no torch module; trainable if its type can be."""
    return nn.Parameter(torch.randn(6, 6).to(dtype), requires_grad=dtype == torch.float32)


NETS: dict[str, Callable[[], tuple[nn.Module, Any]]] = {
    "packed sequences": lambda: (
        Written(lambda net, x: net.head(net.lstm(x)[0].data), lstm=nn.LSTM(6, 5), head=layer(5, 2)),
        pack_sequence([torch.randn(4, 6), torch.randn(2, 6)]),
    ),
    "nested tensors": lambda: (
        Written(lambda net, x: net.head(net.body(x).relu()).values(), body=layer(), head=layer(6, 2)),
        nested(),
    ),
    "a sparse buffer": lambda: (
        Written(lambda net, x: (net.links @ net.head(x)).relu(), head=layer(6, 2), links=torch.eye(8).to_sparse()),
        X,
    ),
    "a sparse gradient": lambda: (
        Written(lambda net, x: net.head(net.words(x)), words=nn.Embedding(9, 6, sparse=True), head=layer(6, 2)),
        torch.tensor([1, 1, 4, 8]),
    ),
    "a sparse input": lambda: (
        Written(lambda net, x: net.head(torch.sparse.mm(x, net.free).relu()), free=free(), head=layer(6, 2)),
        X.relu().to_sparse(),
    ),
    "a compressed input": lambda: (
        Written(lambda net, x: net.head((x @ net.free).relu()), free=free(), head=layer(6, 2)),
        X.relu().to_sparse_csr(),
    ),
    "complex weights": lambda: (
        nn.Sequential(layer(dtype=torch.complex64), layer(6, 2, dtype=torch.complex64)),
        torch.randn(8, 6, dtype=torch.complex64),
    ),
    "bf16 weights": lambda: (nn.Sequential(layer(), nn.ReLU(), layer(6, 2)).bfloat16(), X.bfloat16()),
    "fp16 weights": lambda: (nn.Sequential(layer(), nn.ReLU(), layer(6, 2)).half(), X.half()),
    "fp64 weights": lambda: (nn.Sequential(layer(), nn.ReLU(), layer(6, 2)).double(), X.double()),
    "fp8 input": lambda: (Written(lambda net, x: net.head(x.float()), head=layer(6, 2)), X.to(torch.float8_e4m3fn)),
    "integer input": lambda: (
        Written(lambda net, x: net.head(x.float()), head=layer(6, 2)),
        torch.randint(0, 9, (8, 6)),
    ),
    "a 0-d parameter": lambda: (
        Written(lambda net, x: net.head(x) * net.scale, scale=nn.Parameter(torch.tensor(1.0)), head=layer(6, 2)),
        X,
    ),
    "an empty parameter": lambda: (
        Written(lambda net, x: net.head(x), none=nn.Parameter(torch.empty(0, 3)), head=layer(6, 2)),
        X,
    ),
    "an integer parameter": lambda: (
        Written(lambda net, x: net.head(x), codes=free(torch.int8), head=layer(6, 2)),
        X,
    ),
    "a frozen fp8 parameter": lambda: (
        Written(
            lambda net, x: net.head(F.linear(x, net.codes.float())),
            codes=free(torch.float8_e4m3fn),
            head=layer(6, 2),
        ),
        X,
    ),
    "a meta buffer": lambda: (
        Written(lambda net, x: net.head(x), shape=torch.empty(3, device="meta"), head=layer(6, 2)),
        X,
    ),
}


@both
@pytest.mark.parametrize("name", NETS)
def test_an_unusual_network_is_measured_or_reported(way: str, name: str) -> None:
    report = WAYS[way](*NETS[name]())
    assert not silent(report)
    assert any(measurement.output for measurement in report.measurements)


@both
@pytest.mark.parametrize("name", ["bf16 weights", "fp16 weights", "fp64 weights"])
def test_the_statistics_do_not_depend_on_the_precision(way: str, name: str) -> None:
    model, x = NETS[name]()
    twin = nn.Sequential(layer(), nn.ReLU(), layer(6, 2))
    twin.load_state_dict(model.state_dict())
    found = {m.layer: m for m in WAYS[way](model, x).measurements}
    for name, wanted in {m.layer: m for m in WAYS[way](twin, X).measurements}.items():
        for one, other in ((found[name].output, wanted.output), (found[name].gradient, wanted.gradient)):
            assert one is not None
            assert other is not None
            assert one.rms == pytest.approx(other.rms, rel=0.03)
        assert found[name].weight_gradient == pytest.approx(wanted.weight_gradient, rel=0.03)


def test_a_lazy_or_meta_parameter_is_rejected_with_advice() -> None:
    for model, message in ((nn.LazyLinear(3), "run one batch first"), (layer(device="meta"), "materialize")):
        for look in (lambda model: inithealth.check(model, X), inithealth.watch):
            with pytest.raises(ValueError, match=message):
                look(model)


@both
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_a_scripted_module_is_reported_and_the_rest_measured(way: str) -> None:
    model = nn.Sequential(layer(), torch.jit.script(nn.Sequential(layer(), nn.ReLU())), layer(6, 2))
    report = WAYS[way](model, X)
    assert any(line.startswith("1") and "script" in line for line in report.not_measured)
    assert {m.layer for m in report.measurements if m.output is not None} >= {"0", "2"}
    assert not silent(report)


OUTPUTS: dict[str, Callable[[Tensor], Any]] = {
    "a dict": lambda y: {"logits": y, "loss": None},
    "a dataclass": lambda y: Output(y, (y, y)),
    "complex": lambda y: torch.complex(y, y),
    "conjugate": lambda y: torch.complex(y, y).conj(),
    "bf16": lambda y: y.bfloat16(),
    "fp8": lambda y: y.to(torch.float8_e4m3fn),
    "0-d": lambda y: y.sum(),
    "an empty tensor beside it": lambda y: (y, y[:0]),
    "sparse COO": lambda y: y.to_sparse(),
    "sparse CSR": lambda y: y.to_sparse_csr(),
    "nested": lambda y: torch.nested.as_nested_tensor([y[:3], y[3:]], layout=torch.jagged),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_check_without_a_loss_accepts_any_output(name: str) -> None:
    report = inithealth.check(Written(lambda net, x: OUTPUTS[name](net.head(x)), head=layer(6, 2)), X)
    assert [m.layer for m in report.measurements if m.gradient is not None] == ["head"]


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_watched_model_may_return_anything(name: str) -> None:
    """Unreadable outputs must not affect the training loop."""
    model = Written(lambda net, x: OUTPUTS[name](net.head(x)), head=layer(6, 2))
    with inithealth.watch(model) as monitor:
        model(X)
        loss = model.head(X).square().sum()
        loss.backward()
        monitor.step(loss)
    assert monitor.report.measurements
