"""IH108: branches that make the residual stream grow, and depth scaling on the wrong layers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inithealth import Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.weights.unscaled_residual import UnscaledResidual
from tests.rules.nets import codes, finding, fixed, judged
from tests.rules.recordings import gpt, judge, layer, measured, recording, residual, signal


class Block(nn.Module):
    def __init__(self, *, norm: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(64) if norm else nn.Identity()
        self.enter, self.leave = nn.Linear(64, 64), nn.Linear(64, 64)
        nn.init.kaiming_normal_(self.enter.weight, nonlinearity="relu")
        nn.init.kaiming_normal_(self.leave.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return x + self.leave(F.relu(self.enter(self.norm(x))))


def network(blocks: int, *, norm: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(32, 64), *(Block(norm=norm) for _ in range(blocks)), nn.Linear(64, 10))


def test_a_network_without_norms_has_one_cause() -> None:
    model = network(24)
    report = judged(model)
    found = finding(report, "IH108")
    assert [cause.code for cause in report.causes] == ["IH108"]
    assert found.severity == Severity.ERROR
    assert found.layers == tuple(f"{number}.leave" for number in range(1, 25))
    assert {"IH202", "IH302", "IH208"} <= {consequence.code for consequence in report.consequences(found)}
    assert fixed(model, "IH108").ok


def test_healthy_residual_networks_have_no_finding() -> None:
    assert "IH108" not in codes(judged(network(4)))
    assert "IH108" not in codes(judged(network(12, norm=True)))


class Gated(nn.Module):
    """A pre-norm block with SwiGLU and std 0.02; some layers are divided by the root of the number of branches."""

    def __init__(self, scaled: tuple[str, ...], branches: int) -> None:
        super().__init__()
        self.norm, self.mix_norm = nn.LayerNorm(64), nn.LayerNorm(64)
        self.value, self.mix = nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False)
        self.w1, self.w3 = nn.Linear(64, 128, bias=False), nn.Linear(64, 128, bias=False)
        self.w2 = nn.Linear(128, 64, bias=False)
        for name, module in self.named_children():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02 / branches**0.5 if name in scaled else 0.02)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mix(F.gelu(self.value(self.mix_norm(x))))
        normed = self.norm(x)
        return x + self.w2(F.silu(self.w1(normed)) * self.w3(normed))


def gated(*scaled: str) -> nn.Sequential:
    torch.manual_seed(0)
    blocks = [Gated(scaled, 16) for _ in range(8)]
    return nn.Sequential(nn.Linear(32, 64), *blocks, nn.LayerNorm(64), nn.Linear(64, 10))


def test_depth_scaling_on_the_wrong_layer_of_a_real_network() -> None:
    model = gated("mix", "w3")
    found = finding(judged(model), "IH108")
    assert found.severity == Severity.WARNING
    assert {name.rpartition(".")[2] for name in found.layers} == {"w2", "w3"}
    assert fixed(model, "IH108").causes == ()
    assert "IH108" not in codes(judged(gated("mix", "w2")))
    assert "IH108" not in codes(judged(gated()))


def grown(blocks: int, per_block: float, *, added: float | None = None, norm: bool = False, **more: Any) -> Recording:
    """Return a trunk that starts at 1; each branch scales it by a factor, or adds a constant amount."""
    layers = residual(blocks, norm=norm, **more.pop("changes", {}))
    level, numbers = 1.0, {}
    for number in range(blocks):
        adds = level * math.sqrt(per_block**2 - 1) if added is None else added
        reader = f"h.{number}.norm" if norm else f"h.{number}.enter"
        numbers[reader] = {"input": signal(level).model_dump()}
        numbers[f"h.{number}.leave"] = {"output": signal(adds).model_dump()}
        level = math.hypot(level, adds)
    return recording(layers, measured(layers, **numbers), **{"branches": blocks, "normalized": norm, **more})


@pytest.mark.parametrize(
    ("blocks", "severity"), [(6, None), (7, Severity.WARNING), (19, Severity.WARNING), (20, Severity.ERROR)]
)
def test_branches_with_he_initialization_grow_exponentially(blocks: int, severity: Severity | None) -> None:
    found = judge(UnscaledResidual, grown(blocks, 2**0.5))
    assert [each.severity for each in found] == ([severity] if severity else [])


def test_the_branch_ends_are_the_cause_and_the_fix_names_them() -> None:
    (found,) = judge(UnscaledResidual, grown(24, 2**0.5))
    assert found.layers == tuple(f"h.{number}.leave" for number in range(24))
    assert "grows 4096x over 24 residual branches" in found.message
    assert found.limit == 10.0
    assert found.measured == pytest.approx(2**12)
    assert found.fix == "import math\nfor i in range(24): model.h[i].leave.weight.data /= math.sqrt(24)"


def test_the_fix_runs() -> None:
    model = nn.Module()
    model.h = nn.ModuleList(Block(norm=False) for _ in range(24))
    before = model.h[3].leave.weight.detach().clone()
    (found,) = judge(UnscaledResidual, grown(24, 2**0.5))
    exec(found.fix, {"model": model, "nn": nn})
    assert isinstance(model.h[3].leave.weight, nn.Parameter)
    assert torch.allclose(model.h[3].leave.weight, before / math.sqrt(24))


def test_branches_scaled_by_depth_have_no_finding() -> None:
    assert judge(UnscaledResidual, grown(32, math.sqrt(1 + 1 / 32))) == []


def test_large_growth_by_normalized_branches_is_info() -> None:
    """The trunk of 24 blocks starts small, and every branch adds 1.86 times that: 13 times in total."""
    (found,) = judge(UnscaledResidual, grown(48, 0.0, added=1.86, norm=True))
    assert found.severity == Severity.INFO
    assert found.measured == pytest.approx(12.9, rel=0.01)
    assert "grows 13x" in found.message
    assert "with scaling: 2.1x" in found.message
    assert "square root" in found.cause
    assert found.fix.endswith("/= math.sqrt(48)")
    assert judge(UnscaledResidual, grown(48, 0.0, added=1.86 / 48**0.5, norm=True)) == []


@pytest.mark.parametrize("added", [3.0, 20.0, 1e3])
def test_a_short_network_with_a_small_embedding_has_no_finding(added: float) -> None:
    """A few branches exceed the embedding only because it is small."""
    assert judge(UnscaledResidual, grown(24, 0.0, added=added, norm=True)) == []


def test_a_norm_on_the_residual_stream_removes_the_growth() -> None:
    assert judge(UnscaledResidual, grown(24, 2**0.5, trunk_normalized=True)) == []


@pytest.mark.parametrize("flag", [{"enter": {"normed": True}}, {"leave": {"normed": True}}])
def test_a_norm_anywhere_in_the_branch_counts(flag: dict[str, Any]) -> None:
    report = judge(UnscaledResidual, grown(48, 2**0.5, changes=flag))
    assert [each.severity for each in report] == [Severity.INFO]


def test_growth_that_the_branches_do_not_cause_is_left_to_other_rules() -> None:
    """A constant after the last layer scales a branch; a second embedding resets the stream."""
    layers = residual(24, norm=False)
    loud = {f"h.{number}.leave": {"output": signal(3.0).model_dump()} for number in range(24)}
    assert judge(UnscaledResidual, recording(layers, measured(layers, **loud), branches=24)) == []
    levels = {f"h.{number}.enter": {"input": signal(0.01 if number < 12 else 1.0).model_dump()} for number in range(24)}
    quiet = {f"h.{number}.leave": {"output": signal(0.001).model_dump()} for number in range(24)}
    assert judge(UnscaledResidual, recording(layers, measured(layers, **levels, **quiet), branches=24)) == []


def test_without_branches_there_is_no_growth() -> None:
    assert judge(UnscaledResidual, recording()) == []


SCALED, BLOCKS = 0.02 / 24**0.5, 0.02 / 12**0.5


def shown(layers: tuple[Layer, ...], *, normalized: bool = True) -> list[Any]:
    return judge(UnscaledResidual, recording(layers, branches=24, normalized=normalized))


@pytest.mark.parametrize("scaled", [SCALED, BLOCKS])
def test_an_end_that_the_depth_scaling_missed_is_reported(scaled: float) -> None:
    (found,) = shown(gpt(attention=scaled, output=0.02))
    assert found.severity == Severity.INFO  # norms keep the branches equal, so it trains
    (bare,) = shown(gpt(attention=scaled, output=0.02), normalized=False)
    assert bare.severity == Severity.WARNING
    assert found.layers == tuple(f"h.{number}.w2" for number in range(12))
    assert "not scaled by depth, rms 0.02 " in found.message
    assert "but h.0.wo ... h.11.wo (12 layers) are" in found.message
    assert found.measured == 0.02
    assert found.limit == pytest.approx(scaled)


def test_scaling_on_the_wrong_layer_is_found_and_undone() -> None:
    (found,) = shown(gpt(attention=SCALED, output=0.02, gate=SCALED))
    assert "the scaling is on h.0.w3 ... h.11.w3 (12 layers) instead" in found.cause
    assert found.fix.splitlines() == [
        "import math",
        "for i in range(12): model.h[i].w2.weight.data /= math.sqrt(2 * 12)",
        "for i in range(12): model.h[i].w3.weight.data *= math.sqrt(2 * 12)",
    ]
    assert len(shown(gpt(attention=0.02, output=0.02, gate=SCALED))) == 1


def test_healthy_schemes_have_no_finding() -> None:
    assert shown(gpt(attention=0.02, output=0.02)) == []  # llama: no scaling
    assert shown(gpt(attention=SCALED, output=SCALED)) == []  # GPT
    assert shown(gpt(attention=BLOCKS, output=BLOCKS)) == []
    assert shown(gpt(attention=SCALED, output=SCALED / 2)) == []  # the same, by gain


def test_additional_scaling_inside_the_branch_is_info() -> None:
    (found,) = shown(gpt(attention=SCALED, output=SCALED, gate=SCALED))
    assert found.severity == Severity.INFO
    assert found.layers[0] == "h.0.w3"
    assert "scaled twice" in found.cause


def test_queries_scaled_for_the_attention_are_not_depth_scaling() -> None:
    """T5 divides them by the square root of the head's width."""
    layers = tuple(
        each.model_copy(update={"weight": each.weight.model_copy(update={"rms": SCALED})})
        if each.weight is not None and each.name.endswith("wq")
        else each
        for each in gpt(attention=0.02, output=0.02)
    )
    assert shown(layers) == []


def test_kaiming_by_fan_out_is_not_depth_scaling() -> None:
    """Three inverted bottlenecks that widen by three: by fan_in the first layer looks sqrt(3) too small."""
    layers: list[Layer] = []
    for number in range(3):
        for role, fan_in, fan_out in (("pw", 40, 120), ("dw", 9, 9), ("mix", 9, 9), ("pwl", 120, 40)):
            weight = {"shape": (fan_out, fan_in), "fan_in": fan_in, "fan_out": fan_out, "rms": (2 / fan_out) ** 0.5}
            ends = role == "pwl"
            layers.append(layer(f"h.{number}.{role}", len(layers), bypassable=True, ends_branch=ends, weight=weight))
    assert judge(UnscaledResidual, recording(tuple(layers), branches=3, normalized=True)) == []


def test_layers_followed_by_a_norm_have_no_depth_scaling() -> None:
    normed = tuple(each.model_copy(update={"normed": True}) for each in gpt(attention=SCALED, output=0.02))
    assert shown(normed) == []


def test_scaling_by_the_number_of_blocks_so_far_is_depth_scaling() -> None:
    layers = tuple(
        each.model_copy(
            update={"weight": each.weight.model_copy(update={"rms": 0.02 / math.sqrt(2 * (each.index // 6 + 1))})}
        )
        if each.weight is not None and each.name.endswith("wo")
        else each
        for each in gpt(attention=0.02, output=0.02)
    )
    (found,) = shown(layers)
    assert found.layers[0] == "h.0.w2"


def test_roles_without_a_common_scale_are_no_evidence() -> None:
    sizes = {"wq": 0.01, "wk": 0.03, "w1": 0.05, "w3": 0.09}
    layers = tuple(
        each.model_copy(update={"weight": each.weight.model_copy(update={"rms": sizes[each.name[-2:]]})})
        if each.weight is not None and each.name[-2:] in sizes
        else each
        for each in gpt(attention=0.09 / 24**0.5, output=0.09)
    )
    assert shown(layers) == []


def test_options() -> None:
    made_up = grown(24, 2**0.5)
    assert judge(UnscaledResidual, made_up, max_growth=1e6) == []
    assert judge(UnscaledResidual, made_up, highest_growth=1e5)[0].severity == Severity.WARNING
    note = grown(48, 0.0, added=1.86, norm=True)
    assert judge(UnscaledResidual, note, max_depth_growth=8.0) == []
