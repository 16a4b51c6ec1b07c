"""``check(..., verify=True)`` tries each fix, reports what it does, and leaves no trace."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import pytorch_lightning
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import inithealth
from inithealth import Finding, Report, Severity
from inithealth.evidence.fix_text import Fix
from inithealth.operations import Fill, Operation
from inithealth.sessions.fix_trials import NotTried
from inithealth.sessions.verification import verified
from tests.rules.nets import cross_entropy, mlp, vectors, zeroed
from tests.zoo.case import Case
from tests.zoo.faulty import FAULTY

ADVICE = {"detached_body", "sigmoid_20", "never_called"}  # the code of the network must change, not its weights


@pytest.mark.parametrize("build", FAULTY, ids=lambda build: build.__name__)
def test_the_fixes_of_faulty_networks_are_verified(build: Callable[[], Case]) -> None:
    case = build()
    before = copy.deepcopy(case.model.state_dict())
    plain = inithealth.check(case.model, case.batch, loss=case.loss)
    report = inithealth.check(case.model, case.batch, loss=case.loss, verify=True)
    expected = "" if build.__name__ in ADVICE else "clears"
    assert [cause.verified for cause in report.causes] == [expected] * len(report.causes)
    assert all(cause.verification for cause in report.causes)
    fields = {"verified": "", "verification": ""}
    without = tuple(finding.model_copy(update=fields) for finding in report.findings)
    assert plain == report.model_copy(update={"findings": without, "fixed_measurements": ()})
    assert [each.layer for each in report.fixed_measurements] == [
        each.layer for each in report.measurements if expected
    ]
    after = case.model.state_dict()
    assert all(torch.equal(value.nan_to_num(), before[name].nan_to_num()) for name, value in after.items())


def cause(*layers: str, code: str = "IH106", **more: Any) -> Finding:
    known = {"rule": "weight-scale", "severity": Severity.ERROR, "message": "off", "layers": layers}
    return Finding(code=code, **{**known, "operations": (Fill(parameter="w", value=1.0),), **more})


def report(*findings: Finding, **more: Any) -> Report:
    return Report(model="Net", findings=findings, **more)


def tried(before: Report, after: Report | str) -> Finding:
    """Return the first finding after its fix gave ``after``, a report or the reason why it could not be tried."""

    def checked(operations: Sequence[Operation]) -> Report:
        assert operations == before.findings[0].operations
        if isinstance(after, str):
            raise NotTried(after)
        return after

    return verified(before, checked).findings[0]


OTHER = cause("b", code="IH201", rule="vanishing-activations", suppressed="intentionally")


@pytest.mark.parametrize(
    ("after", "result", "sentence"),
    [
        (report(), "clears", "the fix clears this finding"),
        (report(cause("a", severity=Severity.INFO)), "clears", "the fix clears this finding"),
        (report(cause("other", severity=Severity.INFO)), "clears", "the fix clears this finding"),
        (
            report(cause("other", severity=Severity.WARNING)),
            "partly",
            "the fix clears this finding, but then there is IH106 weight-scale in other",
        ),
        (report(OTHER.model_copy(update={"suppressed": None})), "clears", "the fix clears this finding"),
        (report(cause("a2", "a")), "partly", "the fix leaves IH106 weight-scale in a2"),
        (report(cause("a"), cause("a")), "partly", "the fix leaves IH106 weight-scale in a, and 1 other finding"),
        (
            report(cause("a", role="consequence", explained_by="IH101 z")),
            "partly",
            "the fix leaves IH106 weight-scale in a",
        ),
        (
            report(cause("4", code="IH301", rule="vanishing-gradients")),
            "partly",
            "the fix clears this finding, but then there is IH301 vanishing-gradients in layer 4",
        ),
        (
            report(incomplete=True, not_measured=("loss: failed",)),
            "",
            "not tried: the model could not be measured with the fix: loss: failed",
        ),
        ("ValueError: no", "", "not tried: ValueError: no"),
    ],
)
def test_a_finding_has_what_its_fix_does(after: Report | str, result: str, sentence: str) -> None:
    found = tried(report(cause("a"), OTHER), after)
    assert (found.verified, found.verification) == (result, sentence)


def fill(layer: str, value: float) -> Fill:
    return Fill(parameter=f"{layer}.weight", value=value)


def model_report(model: nn.Module, *findings: Finding) -> Report:
    """Return the report of a healthy model with these findings instead of its own."""
    return inithealth.check(model, vectors(), loss=cross_entropy).model_copy(update={"findings": findings})


def test_all_fixes_are_tried_together() -> None:
    tried: list[Sequence[Operation]] = []

    def checked(operations: Sequence[Operation]) -> Report:
        tried.append(operations)
        return report()

    causes = [cause(name, operations=(fill(name, 1.0), fill("shared", float(name)))) for name in "123"]
    after = verified(report(*causes), checked)
    assert tried == [(fill("1", 1.0), fill("shared", 1.0), fill("2", 1.0), fill("3", 1.0))]
    assert [each.verified for each in after.findings] == ["clears"] * 3


def test_fixes_are_tried_one_by_one_if_some_do_not_clear_together() -> None:
    first, second, third = (cause(name, operations=(fill(name, 1.0),)) for name in "123")
    tried: list[Sequence[Operation]] = []

    def checked(operations: Sequence[Operation]) -> Report:
        tried.append(operations)
        if len(operations) == 3:
            raise NotTried("no")
        return report(second) if fill("2", 1.0) in operations else report()

    after = verified(report(first, second, third), checked)
    assert tried[1:] == [(fill("1", 1.0),), (fill("1", 1.0), fill("2", 1.0)), (fill("1", 1.0), fill("3", 1.0))]
    assert [each.verified for each in after.findings] == ["clears", "partly", "clears"]


def test_a_fix_that_does_not_clear_is_replaced() -> None:
    model, tried = mlp(), []
    own = cause("2", operations=(fill("2", 0.0), Fill(parameter="2.bias", value=0.0)), fix="fill")

    def checked(operations: Sequence[Operation]) -> Report:
        tried.append(operations)
        return report(own) if len(tried) < 3 else report(measurements=before.measurements)

    before = model_report(model, own)
    after = verified(before, checked)
    found = after.findings[0]
    assert found.verified == "clears"
    assert found.operations == tried[2]
    assert found.fix == str(Fix.of(found.operations)) != "fill"
    assert all(Fill(parameter="2.bias", value=0.0) in operations for operations in tried)
    assert found.verification.endswith("The usual fix was tried first: it leaves IH106 weight-scale in layer 2")
    assert after.fixed_measurements == before.measurements


def test_what_a_fix_uncovers_is_fixed_too() -> None:
    own, uncovered = cause("1", operations=(fill("1", 1.0),)), cause("2", operations=(fill("2", 1.0),))
    tried: list[Sequence[Operation]] = []

    def checked(operations: Sequence[Operation]) -> Report:
        tried.append(operations)
        return report() if fill("2", 1.0) in operations else report(uncovered)

    (found,) = verified(report(own), checked).findings
    assert tried == [(fill("1", 1.0),), (fill("1", 1.0), fill("2", 1.0))]
    assert (found.verified, found.operations, found.layers) == ("clears", tried[1], ("1",))
    assert found.verification == (
        "the fix clears this finding. It is the usual one with the fixes of what that leaves or uncovers. The usual "
        "fix was tried first: it clears this finding, but then there is IH106 weight-scale in layer 2"
    )


def test_a_consequence_that_stays_is_not_cleared() -> None:
    own = cause("1", operations=(fill("1", 1.0),))
    symptom = cause("9", code="IH202", rule="exploding-activations", role="consequence", explained_by=own.key)
    left = symptom.model_copy(update={"role": "cause", "explained_by": None})
    (found, _) = verified(report(own, symptom), lambda _: report(left)).findings
    assert found.verified == "partly"
    assert found.verification.endswith("but then there is IH202 exploding-activations in layer 9")


def test_what_other_causes_explain_stays_known() -> None:
    own, other = cause("1", operations=(fill("1", 1.0),)), cause("2", operations=(), fix="remove the detach")
    symptom = cause("9", code="IH202", rule="exploding-activations", role="consequence", explained_by=other.key)
    left = symptom.model_copy(update={"role": "cause", "explained_by": None})
    (found, *_) = verified(report(own, other, symptom), lambda _: report(other, left)).findings
    assert found.verified == "clears"


def test_at_most_four_fixes_are_tried() -> None:
    own = cause("2", operations=(fill("2", 0.0),), fix="fill")
    tried: list[Sequence[Operation]] = []

    def checked(operations: Sequence[Operation]) -> Report:
        tried.append(operations)
        return report(own)

    after = verified(model_report(mlp(), own), checked)
    assert len(set(tried)) == len(tried) == 4
    assert (after.findings[0].fix, after.findings[0].verified) == ("fill", "partly")
    assert after.fixed_measurements == ()


def test_only_causes_with_operations_are_tried() -> None:
    def checked(operations: Sequence[Operation]) -> Report:
        raise AssertionError

    before = report(cause("a", operations=(), fix="remove the detach"), OTHER, cause("c", role="consequence"))
    advice, suppressed, consequence = verified(before, checked).findings
    assert advice.verification == "not tried: the fix is not only a change of parameters"
    assert (suppressed, consequence) == before.findings[1:]


def test_the_report_shows_the_test() -> None:
    text = str(report(cause("a", fix="nn.init.ones_(w)", verification="the fix clears this finding")))
    assert "  fix:  nn.init.ones_(w)\n  test: the fix clears this finding" in text
    assert "test:" not in str(report(cause("a")))


def test_only_fixes_that_clear_are_applied() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    fields = {"verified": "partly", "verification": "the fix leaves IH106 weight-scale in 0"}
    left = cause("0", operations=(Fill(parameter="0.weight", value=0.5),), **fields)
    fields = {"verified": "clears", "verification": "the fix clears this finding"}
    clears = cause("1", operations=(Fill(parameter="1.weight", value=0.5),), **fields)
    assert report(left, clears).apply(model) == (
        "IH106 weight-scale: not applied: the fix leaves IH106 weight-scale in 0",
        "IH106 weight-scale: nn.init.constant_(model[1].weight, 0.5)",
    )


def randomness() -> list[Any]:
    return [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()]  # type: ignore[index]


class Everything(nn.Module):
    """Zero weights and state of many kinds: a parametrization, running statistics, dropout and noise."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(32, 48), nn.BatchNorm1d(48), nn.ReLU(), nn.Dropout(0.3))
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(48, 48))
        self.frozen, self.head = nn.Linear(48, 48).requires_grad_(False), nn.Linear(48, 10)
        with torch.no_grad():
            self.normed.weight = self.normed.weight * 30
            self.body[0].weight.zero_()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.head(F.relu(self.normed(self.body(x)) + self.frozen(torch.rand(48))))


def test_the_model_and_the_process_are_restored() -> None:
    torch.manual_seed(0)
    model = Everything()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    cross_entropy(model(vectors())).backward()
    optimizer.step()
    model.body[0].weight.data.zero_()
    memory = {name: tensor.data_ptr() for name, tensor in model.state_dict(keep_vars=True).items()}
    state, trained = copy.deepcopy(model.state_dict()), [p.requires_grad for p in model.parameters()]
    gradients = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    options, calls, random_numbers = copy.deepcopy(optimizer.state_dict()), model.calls, randomness()
    found = inithealth.check(model, vectors(), loss=cross_entropy, optimizer=optimizer, verify=True)
    assert any(each.verified for each in found.causes)
    assert randomness() == random_numbers
    assert model.calls == calls
    assert [p.requires_grad for p in model.parameters()] == trained
    for name, tensor in model.state_dict(keep_vars=True).items():
        assert torch.equal(tensor, state[name])
        assert tensor.data_ptr() == memory[name]
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert (parameter.grad is None) if gradient is None else torch.equal(parameter.grad, gradient)  # type: ignore[arg-type]
    assert str(optimizer.state_dict()) == str(options)
    assert all(not module._forward_hooks for module in model.modules())


def test_an_iterator_gives_one_batch() -> None:
    batches = iter([vectors(), vectors(), vectors()])
    found = inithealth.check(zeroed(mlp()), batches, loss=cross_entropy, verify=True)
    assert [each.verified for each in found.causes] == ["clears"]
    assert len(list(batches)) == 2


def test_a_loader_and_a_lightning_module_can_be_verified() -> None:
    class Lit(pytorch_lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = zeroed(mlp())

        def training_step(self, batch: list[Tensor], _: int) -> Tensor:
            return F.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters())

    data = TensorDataset(vectors(), torch.arange(len(vectors())) % 10)
    found = inithealth.check(Lit(), DataLoader(data, batch_size=32, shuffle=True), verify=True)
    assert [each.verified for each in found.causes] == ["clears"]


class Stubborn(nn.Module):
    """A layer with large weights; the forward pass raises if they are replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp()
        self.net[2].weight.data.mul_(30)

    def forward(self, x: Tensor) -> Tensor:
        if self.net[2].weight.std() < 1:
            raise RuntimeError("the weights are\nsmall")
        return self.net(x)


def test_an_error_of_the_fixed_model_is_the_reason() -> None:
    model = Stubborn()
    found = inithealth.check(model, vectors(), loss=cross_entropy, verify=True)
    assert [each.verification for each in found.causes] == ["not tried: RuntimeError: the weights are"]
    assert float(model.net[2].weight.detach().std()) > 1


@pytest.fixture
def alone() -> Iterator[None]:
    """A process group of one process."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("alone")
def test_sharded_parameters_are_neither_checked_nor_changed() -> None:
    model = zeroed(mlp())
    found = inithealth.check(model, vectors(), loss=cross_entropy, verify=True)
    fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
    with pytest.raises(ValueError, match="is sharded over processes: check the model before fully_shard"):
        inithealth.check(model, vectors(), loss=cross_entropy, verify=True)
    with pytest.raises(ValueError, match="is sharded: run the fix before fully_shard"):
        found.apply(model)
    assert all(not parameter.full_tensor().detach().any() for parameter in model.parameters())  # type: ignore[attr-defined]


def test_fixes_are_not_tried_by_default() -> None:
    found = inithealth.check(zeroed(mlp()), vectors(), loss=cross_entropy)
    assert [(each.verified, each.verification) for each in found.causes] == [("", "")]
