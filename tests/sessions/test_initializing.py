"""A whole initialization makes a network healthy, its code does what ``apply`` does, and the model is not changed."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

import inithealth


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.fc1, self.fc2 = nn.LayerNorm(32), nn.Linear(32, 64), nn.Linear(64, 32)
        self.scale = nn.Parameter(torch.full((32,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.fc2(nn.functional.gelu(self.fc1(self.norm(x))))


class Plain(Block):
    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc2(nn.functional.gelu(self.fc1(self.norm(x))))


class Language(nn.Module):
    """Residual blocks between an embedding and a head, which may be tied."""

    def __init__(self, block: type[nn.Module] = Plain, *, tied: bool = True, padding: int | None = None) -> None:
        super().__init__()
        self.tokens = nn.Embedding(20, 32, padding_idx=padding)
        self.blocks = nn.Sequential(*(block() for _ in range(4)))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 20, bias=False)
        if tied:
            self.head.weight = self.tokens.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.tokens(x)))).flatten(0, 1)


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.LSTM(16, 24, num_layers=2, batch_first=True), nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)[0][:, -1])


def state_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def mlp(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(16, 48), nn.ReLU(), *layers, nn.Linear(48, 5))


def initialized(model: nn.Module, *, seed: int = 0) -> inithealth.Initialization:
    generator = torch.Generator().manual_seed(seed)
    tokens = isinstance(model, Language)
    x: Tensor = (
        torch.randint(1, 20, (8, 6), generator=generator) if tokens else torch.randn(16, 16, generator=generator)
    )
    if isinstance(model, Tagger):
        x = torch.randn(16, 7, 16, generator=generator)
    y = torch.randint(5, (48 if tokens else 16,), generator=generator)
    return inithealth.initialization(model, (x, y), loss=nn.functional.cross_entropy)


NETS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: mlp(nn.Linear(48, 48), nn.Tanh(), nn.Linear(48, 48), nn.GELU()),
    "tied": Language,
    "untied": lambda: Language(tied=False, padding=0),
    "layer scale": lambda: Language(Block),
    "lstm": Tagger,
    "weight norm": lambda: mlp(weight_norm(nn.Linear(48, 48)), nn.ReLU()),
    "batch norm": lambda: mlp(nn.Linear(48, 48), nn.BatchNorm1d(48), nn.ReLU()),
    "tanh chain": lambda: mlp(*itertools.chain(*((nn.Linear(48, 48), nn.Tanh()) for _ in range(9)))),
}


@pytest.fixture(params=NETS)
def net(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(1)
    return NETS[request.param]()


def test_the_model_is_not_changed(net: nn.Module) -> None:
    before, state = state_of(net), torch.get_rng_state()
    initialized(net)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())


def test_the_network_is_healthy_with_it(net: nn.Module) -> None:
    found = initialized(net)
    assert [cause.message for cause in found.after.causes if cause.severity > inithealth.Severity.INFO] == []


def test_the_code_does_what_apply_does(net: nn.Module) -> None:
    found, applied, pasted = initialized(net), copy.deepcopy(net), copy.deepcopy(net)
    torch.manual_seed(7)
    found.apply(applied)
    space: dict[str, Any] = {}
    exec(str(found), space)
    torch.manual_seed(7)
    space["init_weights"](pasted)
    after = pasted.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in applied.state_dict().items())
    assert any(not torch.equal(after[name], tensor) for name, tensor in net.state_dict().items())


def test_every_parameter_is_initialized_or_kept_with_a_reason(net: nn.Module) -> None:
    found, changed = initialized(net), copy.deepcopy(net)
    found.apply(changed)
    kept = {name for names in found.kept.values() for name in names}
    after = dict(changed.named_parameters())
    drawn = {name for name, old in net.named_parameters() if not torch.equal(old, after[name])}
    assert not kept & drawn
    changing = {operation.parameter for operation in found.operations} | {"2.parametrizations.weight.original0"}
    assert kept | changing >= drawn


def test_a_ruined_network_becomes_healthy() -> None:
    model = Language()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=5.0)
    found = initialized(model)
    assert (found.before.ok, found.after.ok) == (False, True)
    found.apply(model)
    assert initialized(model).before.ok
    assert [change.worse for change in found.before.compare(found.after).changes if change.what == "verdict"]


def test_the_code_says_why_in_loops() -> None:
    code = initialized(Language()).code
    assert "    for i in range(4):\n        nn.init.normal_(model.blocks[i].fc1.weight, std=0.271)\n" in code
    assert "# Last layers of residual branches: " in code
    assert "model.blocks[i].fc2.weight.data /= math.sqrt(4)" in code
    assert code.startswith("import math\n\nfrom torch import nn\n\n\ndef init_weights(model):\n")


def test_learned_scales_stay_and_replace_the_scaling_by_depth() -> None:
    found = initialized(Language(Block))
    assert found.kept["learned scales start where their authors put them"] == tuple(
        f"blocks.{number}.scale" for number in range(4)
    )
    assert "math.sqrt" not in found.code


def test_a_tied_weight_has_one_name() -> None:
    found = initialized(Language())
    named = [*itertools.chain(*found.kept.values()), *(operation.parameter for operation in found.operations)]
    assert "tokens.weight" in named
    assert "head.weight" not in named


def test_the_row_of_padding_is_zero() -> None:
    model = Language(tied=False, padding=0)
    initialized(model).apply(model)
    assert not model.tokens.weight[0].any()
    assert model.tokens.weight[1:].all()


def test_zero_starts_on_purpose_stay_and_others_do_not() -> None:
    on_purpose, blocked = Language(tied=False), mlp(nn.Linear(48, 48), nn.ReLU())
    for block in on_purpose.blocks:
        nn.init.zeros_(block.fc2.weight)
    nn.init.zeros_(blocked[2].weight)
    for model in (on_purpose, blocked):
        initialized(model).apply(model)
    assert not any(block.fc2.weight.any() for block in on_purpose.blocks)
    assert blocked[2].weight.any()


def test_gates_stay_and_recurrent_weights_are_orthogonal() -> None:
    model = Tagger()
    before = model.body.bias_hh_l0.clone()
    initialized(model).apply(model)
    square = model.body.weight_hh_l1.T @ model.body.weight_hh_l1
    assert torch.equal(model.body.bias_hh_l0, before)
    torch.testing.assert_close(square, torch.eye(24))


def test_a_prior_that_a_finding_asks_for_is_set() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))
    target = torch.zeros(512, 1)
    target[0] = 1.0

    def loss(output: Tensor) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(output, target, reduction="sum")

    found = inithealth.initialization(model, torch.randn(512, 16), loss=loss)
    found.apply(model)
    assert "IH208" in {cause.code for cause in found.before.causes}
    assert model[2].bias.item() < -4


def test_frozen_parameters_stay() -> None:
    model = mlp(nn.Linear(48, 48), nn.ReLU())
    model[2].requires_grad_(False)
    assert initialized(model).kept["they are frozen"] == ("2.weight", "2.bias")


def test_another_model_is_refused_unchanged() -> None:
    found, other = initialized(mlp()), nn.Sequential(nn.Linear(3, 3))
    before = state_of(other)
    with pytest.raises(ValueError, match="the model has no parameter"):
        found.apply(other)
    assert all(torch.equal(before[name], tensor) for name, tensor in other.state_dict().items())
    with pytest.raises(TypeError, match="must be a torch"):
        found.apply("model")  # type: ignore[arg-type]


class Refusing(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        if not self.bias.any():
            raise ValueError("no bias")
        return super().forward(x)


def test_a_model_that_cannot_run_with_it_is_an_error_and_stays() -> None:
    model = Refusing(16, 5)
    before = state_of(model)
    with pytest.raises(RuntimeError, match="cannot be checked with its new initialization: ValueError: no bias"):
        initialized(model)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_wrong_arguments_are_type_errors() -> None:
    with pytest.raises(TypeError, match="one batch"):
        inithealth.initialization(mlp(), torch.randn(4, 16), torch.zeros(4))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="initialization\\(\\) has no argument 'criterion': pass loss"):
        inithealth.initialization(mlp(), torch.randn(4, 16), criterion=None)  # type: ignore[arg-type]


def test_an_argument_of_check_alone_is_not_suggested() -> None:
    with pytest.raises(TypeError, match="unknown argument 'verify'; known: batch, loss, optimizer, settings"):
        inithealth.initialization(nn.Linear(2, 2), torch.randn(4, 2), verify=True)  # type: ignore[arg-type]
