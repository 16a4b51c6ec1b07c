"""IH106: weights far from their peers, or from all common initializations."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import inithealth
from inithealth import Severity
from inithealth.recording import ForwardWrite, Loss, Recording
from inithealth.rules.weights.weight_scale import WeightScale
from inithealth.sessions.oneshot import record
from tests.record.live.test_forward_writes import ActNorm
from tests.rules.nets import codes, finding, fixed, judged, mlp, pictures, vectors, with_options
from tests.rules.recordings import judge, measured, recording, residual, stack

WIDE = Loss(kind="cross_entropy", classes=10, logits_std=20.0)


def scaled(model: nn.Sequential, factor: float, *places: int) -> nn.Sequential:
    for place in places:
        model[place].weight.data.mul_(factor)
    return model


def test_small_layers_are_an_error_if_the_network_has_a_symptom() -> None:
    model = scaled(mlp(9), 0.02, 8, 10, 12)
    report = judged(model)
    found = finding(report, "IH106")
    assert found.severity == Severity.ERROR
    assert set(found.layers) == {"8", "10", "12"}
    peers = r"the median of its 7 peers is 0\.17\d, limit"
    shown = rf"layer 8, layer 10, layer 12: weights up to 5\dx too small \(layer (\d+) has rms ([\d.]+); {peers}"
    match = re.match(shown, found.message)
    assert match is not None, found.message
    assert match.group(1) == found.layers[0]
    assert float(match.group(2)) == pytest.approx(found.measured, rel=1e-2)
    assert found.measured is not None
    assert found.limit is not None
    assert found.measured < found.limit < 0.17
    assert [cause.code for cause in report.causes] == ["IH106"]
    assert {"IH201", "IH301"} <= {consequence.code for consequence in report.consequences(found)}
    assert fixed(model, "IH106").ok


def test_only_the_one_large_layer_is_reported() -> None:
    model = scaled(mlp(6), 100.0, 4)
    found = finding(judged(model), "IH106")
    assert found.layers == ("4",)
    peers = r"the median of its 4 peers is 0\.1\d+, limit 0\.\d"
    assert re.match(rf"layer 4: weights \d+x too large \(rms 17\.\d; {peers}", found.message)
    assert "layer 4 multiplies the signal and the gradient by about 14" in found.cause
    assert "its peers by about 1.4" in found.cause
    assert fixed(model, "IH106").ok


def test_large_and_small_are_two_findings() -> None:
    model = scaled(scaled(mlp(8), 30.0, 4), 1 / 30, 10)
    found = [each for each in judged(model).findings if each.code == "IH106"]
    assert [each.layers for each in found] == [("4",), ("10",)]
    assert "too large" in found[0].message
    assert "too small" in found[1].message


def test_a_healthy_network_has_no_finding() -> None:
    for model in (mlp(1), mlp(4), mlp(9), mlp(4, nn.Tanh)):
        assert "IH106" not in codes(judged(model))


def test_most_of_the_peers_may_be_wrong() -> None:
    """Three of five layers have a wrong scale, so their median is not a valid reference for the two others."""
    model = scaled(mlp(6), 1e3, 4, 6, 8)
    assert set(finding(judged(model), "IH106").layers) == {"4", "6", "8"}
    assert fixed(model, "IH106").ok


def test_a_large_head_is_judged_by_its_logits() -> None:
    model = scaled(mlp(), 200.0, 8)
    found = finding(judged(model), "IH106")
    assert (found.severity, found.layers) == (Severity.ERROR, ("8",))
    assert "common initializations go up to" in found.message
    assert "the expected gain is 1" in found.cause
    assert fixed(model, "IH106").ok


def test_a_small_head_is_intentional() -> None:
    assert judged(scaled(mlp(), 0.01, 8)).causes == ()


def test_depth_scaled_branch_ends_are_intentional() -> None:
    """GPT-2 initializes the ends of its residual branches with 0.02 / sqrt(2 blocks)."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.enter, self.leave = nn.LayerNorm(64), nn.Linear(64, 64), nn.Linear(64, 64)
            nn.init.normal_(self.enter.weight, std=0.02)
            nn.init.normal_(self.leave.weight, std=0.02 / 12**0.5)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.leave(F.gelu(self.enter(self.norm(x))))

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), *(Block() for _ in range(6)), nn.LayerNorm(64), nn.Linear(64, 10))
    assert judged(model).causes == ()


def test_the_fix_of_a_transposed_convolution_uses_its_fan() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 16, 4, 2, 1), nn.ReLU())
    model.append(nn.Conv2d(16, 3, 3, 1, 1))
    scaled(model, 100.0, 2)
    target = pictures()

    def loss(output: Tensor) -> Tensor:
        return F.mse_loss(output, target)

    assert finding(judged(model, pictures(), loss), "IH106").layers == ("2",)
    fixed(model, "IH106", pictures(), loss)


def test_the_fix_of_a_transposed_weight_uses_its_fan() -> None:
    """GPT-2's Conv1D stores [inputs, units]."""

    class Transposed(nn.Module):
        def __init__(self, reads: int, gives: int) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(reads, gives) * (2 / reads) ** 0.5)

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.weight

    torch.manual_seed(0)
    layers = [Transposed(32, 256), nn.ReLU(), Transposed(256, 32), nn.ReLU(), Transposed(32, 256), nn.ReLU()]
    model = scaled(nn.Sequential(*layers, nn.Linear(256, 10)), 1e-3, 2)
    found = finding(judged(model), "IH106")
    assert found.fix == "nn.init.normal_(model[2].weight, std=0.0884)"
    assert fixed(model, "IH106").ok


def test_a_parametrized_weight_norm_is_fixed() -> None:
    model = mlp()
    nn.utils.parametrizations.weight_norm(model[4])
    model[4].parametrizations.weight.original0.data.mul_(100.0)
    found = finding(judged(model), "IH106")
    assert found.layers == ("4",)
    assert found.fix.startswith("model[4].weight = nn.init.kaiming_normal_(model[4].weight.detach().clone()")
    fixed(model, "IH106")


class Language(nn.Module):
    """An embedding, a layer, a norm and a head over 64 tokens."""

    def __init__(self, std: float, tied: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.fc = nn.Embedding(64, 32), nn.Linear(32, 32)
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 64, bias=False)
        nn.init.normal_(self.embedding.weight, std=std)
        if tied:
            self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(F.relu(self.fc(self.embedding(tokens)))))


TOKENS = torch.randint(0, 64, (32, 12), generator=torch.Generator().manual_seed(0))


def next_token(output: Tensor) -> Tensor:
    return F.cross_entropy(output[:, :-1].flatten(0, 1), TOKENS[:, 1:].flatten())


def test_a_large_embedding_is_a_warning() -> None:
    model = Language(6.0)
    found = finding(judged(model, TOKENS, next_token), "IH106")
    assert (found.severity, found.layers) == (Severity.WARNING, ("embedding",))
    shown = r"embedding: weights [56](\.\d)?x too large \(rms [56]\.\d+; embeddings usually have 1, limit 4\)"
    assert re.fullmatch(shown, found.message)
    fixed(model, "IH106", TOKENS, next_token)
    looser = with_options("weight-scale", max_embedding_rms=8.0)
    assert "IH106" not in codes(judged(Language(6.0), TOKENS, next_token, **looser))


def test_a_tied_embedding_makes_the_logits_too_large() -> None:
    model = Language(2.0, tied=True)
    found = finding(judged(model, TOKENS, next_token), "IH106")
    assert found.severity == Severity.ERROR
    assert found.layers[0] == "embedding"
    assert "embeddings tied to the head usually have 0.02, limit 0.3" in found.message
    assert found.fix == "nn.init.normal_(model.embedding.weight, std=0.02)"
    assert fixed(model, "IH106", TOKENS, next_token).ok
    assert judged(Language(1.0), TOKENS, next_token).causes == ()


def test_the_limit_of_tied_embeddings_is_an_option() -> None:
    tied = {"kind": "embedding", "activation": None, "weight": {"rms": 2.0, "fan_in": 1, "tied_to": ("head.weight",)}}
    made_up = recording(stack(fc0=tied), loss=WIDE)
    assert len(judge(WeightScale, made_up)) == 1
    assert judge(WeightScale, made_up, max_tied_rms=3.0) == []


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(nn.Linear(32, 32) for _ in range(6))
        self.norms = nn.ModuleList(nn.LayerNorm(32) for _ in range(6))
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = norm(F.gelu(layer(x)))
        return self.head(x)


def test_one_outlier_norm_is_a_warning() -> None:
    model = Normed()
    nn.init.constant_(model.norms[2].weight, 10.0)
    found = finding(judged(model), "IH106")
    assert (found.severity, found.layers) == (Severity.WARNING, ("norms.2",))
    assert found.message.startswith("norms.2: weights 10x too large (rms 10; ")
    assert found.message.endswith("median of the normalization weights is 1, limit 4)")
    assert judged(model, **with_options("weight-scale", max_norm_octaves=4.0)).causes == ()
    fixed(model, "IH106")


def test_all_norms_near_zero_disable_the_network() -> None:
    model = Normed()
    for norm in model.norms:
        nn.init.normal_(norm.weight, std=0.02)
    found = finding(judged(model), "IH106")
    assert found.severity == Severity.ERROR
    assert found.message.startswith("norms.0 ... norms.5 (6 layers): weights up to 4")
    assert "normalization weights usually start at 1, limit 0.25" in found.message
    assert found.fix == "for i in range(6): nn.init.ones_(model.norms[i].weight)"
    assert fixed(model, "IH106").ok


def norms_at(rms: float) -> Any:
    norm = {"kind": "norm", "weight": {"rms": rms, "shape": (96,), "fan_in": None, "fan_out": None}}
    layers = stack(fc0=norm, fc1=norm, fc2=norm)
    return recording(layers, measured(layers, outputs=dict.fromkeys(("fc0", "fc1", "fc2"), rms)), normalized=True)


def test_all_norms_too_large_are_not_an_error_by_themselves() -> None:
    (found,) = judge(WeightScale, norms_at(20.0))
    assert found.severity == Severity.WARNING


def test_the_range_of_the_norms_median_is_an_option() -> None:
    assert judge(WeightScale, norms_at(20.0), max_norm_median=30.0) == []
    assert len(judge(WeightScale, norms_at(0.02))) == 1
    assert judge(WeightScale, norms_at(0.02), min_norm_median=0.01) == []


def test_norms_at_zero_are_judged_during_probation() -> None:
    assert judge(WeightScale, norms_at(0.0)) == []


def test_options_change_the_limits() -> None:
    model = scaled(mlp(9), 1 / 6, 8)
    assert finding(judged(model), "IH106").layers == ("8",)
    assert "IH106" not in codes(judged(model, **with_options("weight-scale", max_octaves=3.0)))
    assert "IH106" in codes(judged(mlp(9), **with_options("weight-scale", max_octaves=0.01)))
    # With too few peers the common recipes count, and 1/6 of He's gain is within them.
    assert "IH106" not in codes(judged(model, select="IH106", **with_options("weight-scale", min_peers=20)))


def whole(std: float, wide: float | None = None) -> Recording:
    """Return five equal layers, two of them wider if given, and a head."""
    changes: dict[str, Any] = {f"fc{number}": {"weight": {"rms": std}} for number in range(5)}
    for number in (1, 3) if wide else ():
        changes[f"fc{number}"] = {"weight": {"rms": wide, "fan_in": 384, "shape": (96, 384)}}
    return recording(stack(6, **changes))


def test_a_network_of_too_large_weights_is_reported_without_a_symptom() -> None:
    (found,) = judge(WeightScale, whole(1.0))
    assert (found.severity, len(found.layers)) == (Severity.WARNING, 5)
    assert "nearly all layers deviate, common initializations go up to" in found.message
    assert judge(WeightScale, whole(1.0), max_octaves_of_whole=2.0)[0].severity == Severity.ERROR
    assert judge(WeightScale, whole(1.0), min_share_of_whole=1.5) == []
    assert judge(WeightScale, whole(0.02)) == judge(WeightScale, whole(0.14)) == []


def test_layers_of_different_fans_show_whether_one_std_is_used() -> None:
    """0.02 for all is GPT's; half the std for a four times larger fan follows the fan, and is too small."""
    assert judge(WeightScale, whole(0.02, 0.02)) == []
    (found,) = judge(WeightScale, whole(0.016, 0.008))
    assert found.severity == Severity.WARNING


@pytest.mark.parametrize("kind", ["norm", "scale", "other"])
def test_a_layer_without_a_matrix_has_no_gain(kind: str) -> None:
    odd = {"kind": kind, "weight": {"rms": 1.0, "fan_in": None, "fan_out": None}}
    assert judge(WeightScale, recording(stack(fc0=odd))) == []


def test_non_finite_weights_have_no_gain() -> None:
    assert judge(WeightScale, recording(stack(fc1={"weight": {"rms": float("nan"), "non_finite": 1}}))) == []


def test_consequences_depend_on_the_sign_of_the_deviation() -> None:
    rule = WeightScale()
    small = judged(scaled(mlp(9), 0.02, 8, 10, 12))
    cause, fading = finding(small, "IH106"), finding(small, "IH301")
    assert rule.accounts_for(cause, fading)
    assert not rule.accounts_for(cause, fading.model_copy(update={"code": "IH202"}))
    large = cause.model_copy(update={"variant": "large"})
    assert rule.accounts_for(large, fading.model_copy(update={"code": "IH202"}))


def test_a_later_exploding_loss_is_a_consequence() -> None:
    model = scaled(mlp(6), 100.0, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e6)
    with inithealth.watch(model, optimizer=optimizer) as monitor:
        for _ in range(3):
            optimizer.zero_grad()
            loss = model(vectors()).square().mean()
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    causes = [cause.code for cause in monitor.report.causes]
    assert causes == ["IH106"], str(monitor.report)
    assert "IH405" in codes(monitor.report)


@pytest.mark.parametrize(
    ("std", "normed", "found"), [(2.0, False, 1), (2.0, True, 0), (0.7, False, 0), (1e-4, False, 0)]
)
def test_a_layer_without_peers_is_reported_if_it_is_far_too_large(std: float, normed: bool, found: int) -> None:
    """Without a symptom, a norm removes the scale, and a small start may be intentional, so the limits are wider."""
    alone = {"normed": normed, "weight": {"rms": std, "shape": (96, 97)}}
    assert len(judge(WeightScale, recording(stack(fc1=alone)))) == found
    assert len(judge(WeightScale, recording(stack(fc1=alone)), max_octaves_alone=6.0)) == 0


def test_an_output_added_to_another_signal_may_start_small() -> None:
    """Even if the signal is lost: zero is a good start for it."""
    layers = stack(fc1={"bypassable": True, "weight": {"rms": 1e-3, "shape": (96, 97)}})
    assert judge(WeightScale, recording(layers, measured(layers, outputs={"fc3": 0.01}))) == []


def test_a_residual_stream_much_larger_than_its_branches_is_a_symptom() -> None:
    stem = {"rms": 6.0, "name": "stem.weight"}
    layers = tuple(
        each.model_copy(update={"weight": each.weight.model_copy(update=stem)}) if each.name == "stem" else each
        for each in residual(4)
        if each.weight is not None
    )
    (found,) = judge(
        WeightScale, recording(layers, measured(layers, outputs={"stem": 60.0}), normalized=True, branches=4)
    )
    assert (found.severity, found.layers) == (Severity.ERROR, ("stem",))


@pytest.mark.parametrize(("layers", "severity"), [(1, Severity.WARNING), (3, Severity.ERROR)])
def test_slightly_small_weights_are_a_warning_until_the_signal_is_lost(layers: int, severity: Severity) -> None:
    model = mlp(9)
    with torch.no_grad():
        for layer in list(model)[6 : 6 + 2 * layers : 2]:
            layer.weight.mul_(0.02)
    (found,) = [cause for cause in judged(model).causes if cause.code == "IH106"]
    assert found.severity == severity
    strict = judged(model, **with_options("weight-scale", max_octaves_lost=1.0))
    assert finding(strict, "IH106").severity == Severity.ERROR


@pytest.mark.parametrize(("std", "severity"), [(20.0, Severity.WARNING), (45.0, Severity.ERROR)])
def test_the_whole_network_decides_although_one_layer_deviates_more(std: float, severity: Severity) -> None:
    patch = {"weight": {"rms": 16.0, "shape": (96, 4), "fan_in": 4}}
    layers = stack(7, fc5=patch, **{f"fc{number}": {"weight": {"rms": 0.5}} for number in range(5)})
    of = recording(layers, measured(layers, fc1={"attention_std": std}), normalized=True)
    (found,) = judge(WeightScale, of)
    assert (found.layers[0], found.severity, len(found.layers)) == ("fc5", severity, 6)


def before_norms(factor: float) -> Recording:
    """Return a deep stack with a norm after each layer, and all weights scaled by one factor."""
    changes = {f"fc{number}": {"normed": True, "weight": {"rms": 0.1443 * factor}} for number in range(5)}
    return recording(stack(6, **changes), normalized=True)


@pytest.mark.parametrize(
    ("factor", "severity"), [(0.01, Severity.WARNING), (20.0, Severity.WARNING), (100.0, Severity.ERROR)]
)
def test_weights_right_before_norms_recover_from_being_too_small(factor: float, severity: Severity) -> None:
    (found,) = judge(WeightScale, before_norms(factor))
    assert found.severity == severity


def test_the_limit_of_a_whole_network_before_norms_is_an_option() -> None:
    (found,) = judge(WeightScale, before_norms(20.0), max_octaves_before_norms=3.0)
    assert found.severity == Severity.ERROR
    assert judge(WeightScale, before_norms(3.5)) != []
    assert judge(WeightScale, before_norms(3.5), octaves_of_whole=3.0) == []


def test_the_scale_of_a_norm_is_removed_by_the_next_one() -> None:
    """Batch norms at 0.02 throughout trained in three of eight networks, and failed in none."""
    norm = {"kind": "norm", "weight": {"rms": 0.02, "shape": (96,), "fan_in": None, "fan_out": None}}
    layers = stack(5, fc0=norm, fc2=norm, fc1={"normed": True}, fc3={"normed": True})
    of = measured(layers, outputs={"fc0": 0.02, "fc2": 0.02})
    (found,) = judge(WeightScale, recording(layers, of, normalized=True))
    assert (found.severity, found.layers) == (Severity.WARNING, ("fc0", "fc2"))


@pytest.mark.parametrize(("rms", "severity"), [(0.003, Severity.WARNING), (0.0009, Severity.ERROR)])
def test_a_norm_does_not_normalize_what_its_epsilon_outweighs(rms: float, severity: Severity) -> None:
    changes = {f"fc{number}": {"normed": True, "weight": {"rms": 0.0005}} for number in range(5)}
    layers = stack(6, **changes)
    of = measured(layers, outputs={f"fc{number}": rms for number in range(5)})
    (found,) = judge(WeightScale, recording(layers, of, normalized=True))
    assert found.severity == severity


def normalized(depth: int, scale: float) -> nn.Sequential:
    """A stack with a normalization at each layer and no skip connections."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(32, 32)
        nn.init.normal_(linear.weight, std=scale * math.sqrt(2 / 32))
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.LayerNorm(32), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(32, 8))


@pytest.mark.parametrize("optimizer", [None, torch.optim.SGD, torch.optim.Adam])
def test_small_weights_that_a_normalization_hides(optimizer: Any) -> None:
    labels, x = torch.arange(48) % 8, torch.randn(48, 32)

    def judged_with(model: nn.Module) -> inithealth.Report:
        rate = 0.01 if optimizer is torch.optim.SGD else 0.001
        chosen = None if optimizer is None else optimizer(model.parameters(), lr=rate)
        return inithealth.check(model, (x, labels), loss=F.cross_entropy, optimizer=chosen)

    model = normalized(20, 0.05)
    (cause,) = judged_with(model).causes
    assert (cause.code, cause.severity, len(cause.layers)) == ("IH106", Severity.ERROR, 20)
    assert "the first step changes the weights by" in cause.message
    exec(cause.fix, {"model": model, "nn": nn})
    assert judged_with(model).causes == ()
    assert judged_with(normalized(20, 0.5)).causes == ()
    assert judged_with(normalized(6, 0.05)).causes == ()


class UnitLength(nn.Module):
    """Divides by the L2 norm over the channels, and multiplies by a learned scale."""

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=-1) * self.weight


def unit_lengths(*scales: float, channels: int = 64, beside: type[nn.Module] | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Linear(32, channels)]
    for scale in scales:
        layers += [UnitLength(channels, scale), nn.Linear(channels, channels), nn.ReLU()]
    for _ in range(4 if beside is not None else 0):
        layers += [beside(channels), nn.Linear(channels, channels), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(channels, 10))


@pytest.mark.parametrize("scales", [(10.0, 8.0), (20.0,), (1.0, 1.0), (10.0, 8.0, 5.0), (20.0, 20.0)])
@pytest.mark.parametrize("beside", [None, nn.LayerNorm, nn.BatchNorm1d])
def test_a_norm_is_judged_by_what_it_puts_out(scales: tuple[float, ...], beside: type[nn.Module] | None) -> None:
    """A vector of 64 channels with norm 1 has rms 1/8."""
    assert "IH106" not in codes(judged(unit_lengths(*scales, beside=beside)))


def test_a_scale_that_is_too_large_for_unit_length_is_fixed_to_an_output_of_one() -> None:
    model = unit_lengths(2000.0, 1600.0)
    found = finding(judged(model), "IH106")
    assert (found.severity, found.layers) == (Severity.ERROR, ("1", "4"))
    assert re.search(r"rms 2000; its output has rms 250, and one of rms 1 needs 8, limit 32\)", found.message)
    assert found.fix == "nn.init.constant_(model[1].weight, 8)\nnn.init.constant_(model[4].weight, 8)"
    assert fixed(model, "IH106").ok


def test_one_norm_of_several_gets_their_weight() -> None:
    model = Normed()
    for norm in model.norms:
        nn.init.constant_(norm.weight, 0.4)
    nn.init.constant_(model.norms[2].weight, 10.0)
    assert finding(judged(model), "IH106").fix == "nn.init.constant_(model.norms[2].weight, 0.4)"
    assert fixed(model, "IH106").ok


class Feedforward(nn.Module):
    """A block of GPT-2 without attention: every weight has std 0.02, and those that end a branch less."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.norm, self.fc, self.proj = nn.LayerNorm(64), nn.Linear(64, 256), nn.Linear(256, 64)
        nn.init.normal_(self.fc.weight, std=0.02)
        nn.init.normal_(self.proj.weight, std=0.02 / (2 * blocks) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.proj(F.gelu(self.fc(self.norm(x))))


@pytest.mark.parametrize("factor", [30.0, 1 / 30])
def test_the_fix_restores_the_scale_of_the_peers(factor: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), *(Feedforward(6) for _ in range(6)), nn.LayerNorm(64), nn.Linear(64, 10))
    model[3].fc.weight.data.mul_(factor)
    found = finding(judged(model), "IH106")
    assert (found.layers, found.fix) == (("3.fc",), "nn.init.normal_(model[3].fc.weight, std=0.02)")
    assert fixed(model, "IH106").ok
    assert model[3].fc.weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_peers_at_the_default_of_torch_are_restored_too() -> None:
    """It has a third of the variance of He's initialization."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU())
    for _ in range(5):
        model += nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU())
    model.append(nn.Linear(64, 10))
    model[5].weight.data.mul_(100.0)
    assert finding(judged(model), "IH106").fix == "nn.init.normal_(model[5].weight, std=0.0722)"


def flow(epsilon: float, *, constant: int = 0) -> Recording:
    """A normalization that the first batch sets, after layers that make some channels constant."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 16), ActNorm(16, epsilon), nn.Linear(16, 10))
    nn.init.zeros_(model[0].weight[:constant])
    return record(model, vectors(), loss=lambda output: output.square().mean())


@pytest.mark.parametrize(
    ("epsilon", "constant", "found"), [(1e-6, 1, 1), (1e-2, 1, 1), (0.1, 1, 0), (1e-6, 0, 0), (0.0, 0, 0)]
)
def test_a_channel_without_variance_must_not_be_amplified(epsilon: float, constant: int, found: int) -> None:
    (*causes,) = judge(WeightScale, flow(epsilon, constant=constant))
    assert len(causes) == found
    for cause in causes:
        assert cause.severity == Severity.ERROR
        assert re.search(
            r"the forward pass sets a factor .*x the median of the other channels \(limit 50x\)", cause.message
        )
        assert "in which channel 0 of its 16 does not vary" in cause.cause
        assert cause.fix.startswith("limit the spread that layer 1 divides by")


def test_how_far_a_channel_is_amplified_is_an_option() -> None:
    assert judge(WeightScale, flow(1e-6, constant=1), max_contrast=1e9) == []


def test_a_channel_of_the_batch_that_does_not_vary_is_a_warning() -> None:
    x = vectors()
    x[:, 4] = 0.0
    torch.manual_seed(0)
    model = nn.Sequential(ActNorm(32, 1e-6), nn.Linear(32, 10))
    (found,) = judge(WeightScale, record(model, x, loss=lambda output: output.square().mean()))
    assert found.severity == Severity.WARNING


def test_dead_units_before_it_are_not_amplified() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), ActNorm(16, 1e-6), nn.Linear(16, 10))
    model[0].bias.data[:3] = -20.0
    assert judge(WeightScale, record(model, vectors(), loss=lambda output: output.square().mean())) == []


def test_a_scale_set_by_the_forward_pass_is_not_fixed_by_another_value() -> None:
    norm = {"kind": "norm", "weight": {"rms": 100.0, "shape": (96,), "fan_in": None, "fan_out": None}}
    layers = stack(fc1=norm)
    of = measured(layers, outputs={"fc1": 100.0})
    (stored,) = judge(WeightScale, recording(layers, of))
    (by_batch,) = judge(WeightScale, recording(layers, of, forward_writes={"fc1.weight": ForwardWrite()}))
    assert stored.fix == "nn.init.ones_(model.fc1.weight)"
    assert (stored.message, stored.layers) == (by_batch.message, by_batch.layers)
    assert by_batch.fix.startswith("limit the spread")


class Siren(nn.Module):
    """Sitzmann et al. 2020: U(-1 / fan_in, 1 / fan_in) at the entrance, U(-sqrt(6 / fan_in) / 30, ...) inside."""

    def __init__(self, dimensions: int = 2, width: int = 64, omega: float = 30.0, first: float = 30.0) -> None:
        super().__init__()
        self.omega, self.first = omega, first
        self.layers = nn.ModuleList(nn.Linear(width if n else dimensions, width) for n in range(4))
        self.head = nn.Linear(width, 1)
        bound = (6 / width) ** 0.5 / 30
        nn.init.uniform_(self.layers[0].weight, -1 / dimensions, 1 / dimensions)
        for layer in (*self.layers[1:], self.head):
            nn.init.uniform_(layer.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            x = torch.sin((self.omega if number else self.first) * layer(x))
        return self.head(x)


GRID = torch.cartesian_prod(torch.linspace(-1, 1, 24), torch.linspace(-1, 1, 24))
ONES = tuple(f"layers.{number}" for number in (1, 2, 3))


def picture(output: Tensor) -> Tensor:
    return F.mse_loss(output, torch.sin(3 * GRID[:, :1]))


def siren(**more: float) -> Siren:
    torch.manual_seed(0)
    return Siren(**more)  # type: ignore[arg-type]


def test_siren_is_healthy() -> None:
    assert codes(judged(siren(), GRID, picture)) == []


def test_a_sound_has_higher_frequencies() -> None:
    """The first omega of SIREN's sounds is 3000, for samples that are as much closer together."""
    line = torch.linspace(-1, 1, 4000)[:, None]
    assert codes(judged(siren(dimensions=1, first=3000.0), line, lambda out: F.mse_loss(out, line))) == []


@pytest.mark.parametrize("way", ["default", "not divided", "divided twice", "factor missing"])
def test_the_inner_layers_of_a_sine_network(way: str) -> None:
    model = siren(omega=1.0 if way == "factor missing" else 30.0)
    for layer in model.layers[1:]:
        if way == "default":
            layer.reset_parameters()
        elif way != "factor missing":
            layer.weight.data.mul_(30.0 if way == "not divided" else 1 / 30)
    found = finding(judged(model, GRID, picture), "IH106")
    assert (found.severity, set(found.layers)) == (Severity.ERROR, set(ONES))
    fixed(model, "IH106", GRID, picture)


@pytest.mark.parametrize("std", [0.05, 1.0])
def test_many_frequencies_are_healthy(std: float) -> None:
    model = siren()
    nn.init.normal_(model.layers[0].weight, std=std)
    assert codes(judged(model, GRID, picture)) == []


def test_frequencies_beyond_what_the_samples_show() -> None:
    model = siren(first=3000.0)
    found = finding(judged(model, GRID, picture), "IH106")
    assert (found.severity, found.layers) == (Severity.WARNING, ("layers.0",))
    assert "neighboring samples differ by half a turn of the sine at" in found.message
    fixed(model, "IH106", GRID, picture)
