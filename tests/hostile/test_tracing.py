"""A watched model that is traced, transformed, exported, copied or forked: nothing is read, nothing is added."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call, functionalize, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.jit import _recursive
from torch.nn import functional as F
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts
from torch.utils.flop_counter import FlopCounterMode

import inithealth
from inithealth import Monitor
from tests.hostile.faults import hooks_of

# Torch's tracers and compilers use deprecated functions of torch.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated"),
    pytest.mark.filterwarnings("ignore:.torch.jit"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf"),
]
INPUTS = torch.randn(16, 8, generator=torch.Generator().manual_seed(2))
TARGETS = torch.arange(16) % 4


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def graph(text: Any) -> str:
    """Return the text of a graph without the numbers that torch gives to classes with the same name."""
    return re.sub(r"\.?_*torch_mangle_\d+", "", str(text))


def proxied(model: nn.Module, mode: str, **options: Any) -> str:
    made = make_fx(lambda p, x: functional_call(model, p, (x,)), tracing_mode=mode, **options)
    return graph(made(weights(model), INPUTS).graph)


def faked(model: nn.Module) -> str:
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        return str(model(mode.from_tensor(INPUTS)).shape)


def functional_gradient(model: nn.Module) -> list[float]:
    found = grad(lambda p: functional_call(model, p, (INPUTS,)).square().sum())(weights(model))
    return found["0.weight"].flatten().tolist()


def counted(model: nn.Module) -> int:
    with FlopCounterMode(display=False) as counter:
        model(INPUTS).sum().backward()
    return counter.get_total_flops()


def with_checkpoint(model: nn.Module) -> list[float]:
    """Return gradients with a checkpoint that keeps matrix products: the order of operations must not change."""

    def policy(context: Any, operation: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
        kept = "mm" in str(operation)
        return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE

    contexts = partial(create_selective_checkpoint_contexts, policy)
    checkpoint(model, INPUTS, use_reentrant=False, context_fn=contexts).square().sum().backward()
    return [float(value) for parameter in model.parameters() for value in parameter.grad.flatten()]


WAYS: dict[str, Callable[[nn.Module], Any]] = {
    "jit.trace": lambda model: graph(torch.jit.trace(model, INPUTS).inlined_graph),
    "jit.trace without its check": lambda model: graph(torch.jit.trace(model, INPUTS, check_trace=False).inlined_graph),
    "jit.script": lambda model: graph(torch.jit.script(model).inlined_graph),
    "jit.script of a part": lambda model: graph(torch.jit.script(model[2]).inlined_graph),
    "jit.script of a copy": lambda model: graph(torch.jit.script(copy.deepcopy(model)).inlined_graph),
    "symbolic trace": lambda model: graph(torch.fx.symbolic_trace(model).graph),
    "export": lambda model: graph(torch.export.export(model, (INPUTS,), strict=False).graph),
    "export of a copy": lambda model: graph(torch.export.export(copy.deepcopy(model), (INPUTS,)).graph),
    "make_fx, real": lambda model: proxied(model, "real"),
    "make_fx, fake": lambda model: proxied(model, "fake"),
    "make_fx, symbolic": lambda model: proxied(model, "symbolic"),
    "make_fx before dispatch": lambda model: proxied(model, "real", pre_dispatch=True),
    "fake tensors": faked,
    "functionalize": lambda model: functionalize(lambda x: model(x))(INPUTS).tolist(),
    "vmap": lambda model: vmap(model)(INPUTS).tolist(),
    "nested vmap": lambda model: vmap(vmap(model))(INPUTS[None]).tolist(),
    "grad": functional_gradient,
    "jacrev": lambda model: jacrev(model)(INPUTS[:2]).tolist(),
    "jacfwd": lambda model: jacfwd(model)(INPUTS[:2]).tolist(),
    "jvp": lambda model: jvp(model, (INPUTS,), (INPUTS,))[1].tolist(),
    "vjp": lambda model: vjp(model, INPUTS)[1](torch.ones(16, 4))[0].tolist(),
    "hessian": lambda model: hessian(lambda x: model(x).square().sum())(INPUTS[:2]).tolist(),
    "vectorized jacobian": lambda model: torch.autograd.functional.jacobian(model, INPUTS[:2], vectorize=True).tolist(),
    "functional_call": lambda model: functional_call(model, weights(model), (INPUTS,)).tolist(),
    "counted operations": counted,
    "selective checkpoint": with_checkpoint,
    "deepcopy": lambda model: copy.deepcopy(model)(INPUTS).tolist(),
    "pickle": lambda model: pickle.loads(pickle.dumps(model))(INPUTS).tolist(),
    "inference mode": torch.inference_mode()(lambda model: model(INPUTS).tolist()),
    "no_grad": torch.no_grad()(lambda model: model(INPUTS).tolist()),
    "evaluation with gradients": lambda model: (model.eval()(INPUTS).tolist(), model.train())[0],
    "part of the model": lambda model: model[0](INPUTS).tolist(),
}


# Forward passes of the training itself: they count as the first one of the step.
MEASURED = ("vectorized jacobian", "counted operations", "selective checkpoint")


def train(model: nn.Module, monitor: Monitor, steps: int = 2) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(INPUTS), TARGETS)
        loss.backward()
        monitor.step(loss)
        optimizer.step()


def numbers(monitor: Monitor) -> Any:
    return [step.model_dump(exclude={"index"}) for step in monitor.recording.steps]


def expected() -> Any:
    model = network()
    with inithealth.watch(model, verbose=False) as monitor:
        train(model, monitor)
    return numbers(monitor)


@pytest.mark.parametrize("name", [name for name in WAYS if "trace" not in name or name == "symbolic trace"])
def test_the_result_is_that_of_an_unwatched_model_and_the_training_is_measured_afterwards(name: str) -> None:
    bare, model = WAYS[name](network()), network()
    with inithealth.watch(model, verbose=False) as monitor:
        assert WAYS[name](model) == bare
        for parameter in model.parameters():
            parameter.grad = None
        train(model, monitor)
    assert name in MEASURED or numbers(monitor) == expected()
    assert [len(step.layers) for step in monitor.recording.steps] == [2, 2]
    assert not monitor.report.incomplete
    assert hooks_of(model) == 0


TRACED = """
import sys, warnings
warnings.simplefilter("ignore")
import inithealth
from tests.hostile.test_tracing import WAYS, network, numbers, expected, train
bare, model = WAYS[{name!r}](network()), network()
with inithealth.watch(model, verbose=False) as monitor:
    assert WAYS[{name!r}](model) == bare
    train(model, monitor)
assert numbers(monitor) == expected()
assert not monitor.report.incomplete
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jit.trace", "jit.trace without its check"])
def test_tracing_does_not_end_the_process(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", TRACED.format(name=name)], capture_output=True, text=True)
    assert (done.returncode, done.stderr[-2000:]) == (0, "")


def compiled(model: nn.Module) -> tuple[list[str], list[float]]:
    """Return the operations of a compiled model, and its output; a break of the graph is an error."""
    operations: list[str] = []

    def backend(module: torch.fx.GraphModule, examples: Any) -> Any:
        operations.extend(f"{node.op} {node.target}" for node in module.graph.nodes if node.op.startswith("call"))
        return module

    torch._dynamo.reset()
    output = torch.compile(model, backend=backend, fullgraph=True)(INPUTS)
    return operations, output.flatten().tolist()


@pytest.mark.slow
@pytest.mark.parametrize("copied", [lambda model: model, copy.deepcopy], ids=["itself", "copy"])
def test_a_model_compiled_after_it_is_watched(copied: Callable[[nn.Module], nn.Module]) -> None:
    bare, model = compiled(network()), network()
    with inithealth.watch(model, verbose=False):
        assert compiled(copied(model)) == bare
    assert compiled(model) == bare


@pytest.mark.slow
def test_a_training_compiled_after_it_is_watched_says_what_is_missing() -> None:
    model = network()
    with inithealth.watch(model, verbose=False) as monitor:
        torch._dynamo.reset()
        train(torch.compile(model, backend="aot_eager", fullgraph=True), monitor)
    assert monitor.report.not_measured or monitor.report.findings
    assert {finding.code for finding in monitor.report.findings} >= {"IH409"}


@pytest.mark.slow
@pytest.mark.parametrize("strict", [True, False])
def test_a_model_compiled_before_it_is_watched_is_exported_without_hooks(strict: bool) -> None:
    def made() -> nn.Module:
        model = network()
        model[0].compile(backend="eager")
        return model

    torch._dynamo.reset()
    bare = graph(torch.export.export(made(), (INPUTS,), strict=strict).graph)
    model = made()
    with inithealth.watch(model, verbose=False):
        assert graph(torch.export.export(model, (INPUTS,), strict=strict).graph) == bare


def test_the_compiler_of_torch_is_restored() -> None:
    before = _recursive.create_script_module
    monitors = [inithealth.watch(network(), verbose=False).__enter__() for _ in range(2)]
    assert _recursive.create_script_module is not before
    monitors[0].close()
    monitors[1].close()
    assert _recursive.create_script_module is before


def test_scripting_keeps_the_users_hooks_and_their_order() -> None:
    model = network()
    first = model[0].register_forward_hook(lambda *args: None)
    with inithealth.watch(model, verbose=False):
        last = model[0].register_forward_hook(lambda *args: None)
        order = list(model[0]._forward_hooks)
        with pytest.raises(Exception, match="single top-level function"):  # a lambda cannot be compiled
            torch.jit.script(model)
        assert list(model[0]._forward_hooks) == order
        assert (order[0], order[-1]) == (first.id, last.id)
        assert len(order) == 3


@pytest.mark.parametrize("context", [lambda: torch.device("meta"), nullcontext], ids=["meta", "none"])
def test_a_default_device_changes_nothing(context: Callable[[], Any]) -> None:
    model = network()
    with context(), inithealth.watch(model, verbose=False) as monitor:
        train(model, monitor)
        report = monitor.report
    assert numbers(monitor) == expected()
    assert not report.incomplete


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_a_default_device_set_for_the_process(device: str) -> None:
    model = network()
    torch.set_default_device(device)
    try:
        with inithealth.watch(model, verbose=False) as monitor:
            train(model, monitor)
        checked = inithealth.check(model, INPUTS)
    finally:
        torch.set_default_device(None)
    assert numbers(monitor) == expected()
    assert not checked.incomplete
    assert checked.measurements


def in_child(model: nn.Module, monitor: Monitor, results: Any) -> None:
    before = len(monitor.recording.steps)
    train(model, monitor)
    results.put((os.getpid(), len(monitor.recording.steps) - before))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_measures_nothing() -> None:
    model, context = network(), multiprocessing.get_context("fork")
    with inithealth.watch(model, verbose=False) as monitor:
        results = context.Queue()
        child = context.Process(target=in_child, args=(model, monitor, results))
        child.start()
        process, steps = results.get(timeout=60)
        child.join()
        assert process != os.getpid()
        assert steps == 0
        train(model, monitor)
    assert numbers(monitor) == expected()
