from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import fixes, forgetting, gain_causes, sampling, signal_path
from inithealth.evidence.facts import limits_of
from inithealth.evidence.losses import predicts_well
from inithealth.evidence.prognosis import prognosis
from inithealth.evidence.units import DeadLimits, SaturatedLimits
from inithealth.evidence.wording import names_of, number, span
from inithealth.findings import Finding, Severity
from inithealth.recorded_graph import LONG
from inithealth.recording import Decay, Layer, Measurement, Recording
from inithealth.rules.bias import BIAS, BiasAware, bias_cause, caused_by_bias
from inithealth.rules.causality import Stage
from inithealth.theory.activations import row_of


class SaturatedUnits(SaturatedLimits, sampling.SamplingLimits, forgetting.ForgettingLimits, BiasAware):
    """Bounded activations are saturated, or sampling points are outside: most outputs are in a flat region.

    ## What it checks
    The share of a tanh's outputs beyond ±0.97, of a sigmoid's outputs outside 0.03 to 0.97, and of the
    inputs of a hard tanh, hard sigmoid or ReLU6 beyond its edges; also the share of decays
    exp(-softplus(x)) below 0.03. Units that are beyond an edge for the whole batch are reported by
    dead-units. For layers that set the positions of `grid_sample`, or the offsets of a deformable
    convolution, the share of sampling points outside the image. For networks of state-space or
    linear-attention layers (Mamba, gated DeltaNet) without another attention, the share of the states that
    last more than 4 tokens.

    ## Why it matters
    In the flat region the gradient is at most 6% (tanh) or 12% (sigmoid) of its maximum. Such networks
    often train, but slowly. Outside an image the sampled values are constant: the positions get no
    gradient, and the layers downstream see little of the image.

    ## How to fix
    Use Xavier initialization with the gain of the activation. Normalize large inputs. Start spatial
    transformers at the identity, and offsets at zero.

    ## When to ignore
    For gates that intentionally start open or closed.

    ## References
    Glorot and Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html; Jaderberg et al. 2015,
    https://arxiv.org/abs/1506.02025
    """

    code = "IH205"
    name = "saturated-units"
    severity = Severity.WARNING
    rank = Stage.UNITS
    explains = frozenset({"IH301", "IH304", "IH406"})

    def check(self, recording: Recording) -> Iterator[Finding]:
        if steering := sampling.outside(recording, self):
            yield self._outside(steering, recording)
        forgets = forgetting.forgetting(recording, self)
        if forgets:
            yield self._forgets(forgets, recording)
        dead = limits_of(recording, DeadLimits)
        worst = [
            (m.saturated_share, layer)
            for layer, m in signal_path.measured(recording)
            if m.saturated_share is not None and m.saturated_share > self.of(layer) and not layer.head
            if _can_saturate(layer, m) and not (m.units and (m.dead_share or 0.0) > dead.of(m.units))
        ]
        steps = {decay.layer for decay in forgets}
        worst = [pair for pair in worst if pair[1].name not in steps]
        rates = [pair for pair in worst if _is_rate(pair[1])]
        if rates:
            yield self._fast_decay(rates)
        worst = [pair for pair in worst if pair not in rates]
        measured = signal_path.first(recording)
        biased = [(share, layer) for share, layer in worst if self.bias_dominates(layer, measured[layer.name])]
        if biased:
            yield self._by_bias(biased, recording)
        worst = [pair for pair in worst if pair not in biased]
        if not worst:
            return
        worst.sort(key=lambda pair: -pair[0])
        share, layers = worst[0][0], [layer for _, layer in worst]
        limit = self.of(layers[0])
        most = f"up to {share:.0%}" if len(layers) > 1 else f"{share:.0%}"
        activations = " and ".join(sorted({layer.activation or "activation" for layer in layers}))
        yield self.finding(
            layers,
            f"{span(layers)}: {most} of the {activations} outputs are saturated (limit {limit:.0%})",
            severity=Severity.INFO if predicts_well(recording) else self.severity,
            measured=share,
            limit=limit,
            cause=f"the input of the {layers[0].activation} is too large{self._level(layers[0], recording)}",
            fix=self._fix(layers, recording),
        )

    def _outside(self, found: list[sampling.Outside], recording: Recording) -> Finding:
        """Return the finding on layers whose output is positions outside the signal that is sampled."""
        share, layers = found[0].share, [each.layer for each in found]
        most = "up to " if len(layers) > 1 else ""
        return self.finding(
            layers,
            f"{span(layers)}: {most}{share:.0%} of the sampling points are outside the image "
            f"(limit {self.max_outside:.0%})",
            severity=Severity.ERROR if share > self.error_outside else Severity.WARNING,
            measured=share,
            limit=self.max_outside,
            cause="the sampled values are constant outside the image, so these positions get no gradient",
            fix=sampling.fix(layers, recording),
        )

    def _forgets(self, decays: tuple[Decay, ...], recording: Recording) -> Finding:
        """Return the finding on time steps so large that all states decay within a few tokens."""
        layers = [layer for decay in decays for layer in recording.layers if layer.name == decay.layer]
        names = forgetting.owners(decays)
        least = min(decays, key=lambda decay: decay.lasting)
        return self.finding(
            layers,
            f"{names_of(names, 'layers')}: the state decays to 1/e within {number(least.memory)} tokens (median), and "
            f"{least.lasting:.0%} of the states last more than {LONG:g} tokens (limit {self.min_lasting:.0%})",
            layers=names,
            measured=least.lasting,
            limit=self.min_lasting,
            cause="the time steps softplus(x) are too large: models with such a state start them at 0.001 to 0.1, but "
            "softplus(0) is 0.69",
            fix=forgetting.fix(decays),
        )

    def _fast_decay(self, rates: list[tuple[float, Layer]]) -> Finding:
        """Return the finding on decays exp(-rate) of a state, with rate = softplus(x)."""
        layers, share = [layer for _, layer in rates], max(share for share, _ in rates)
        biases = [layer for layer in layers if layer.bias is not None]
        return self.finding(
            layers,
            f"{span(layers)}: {share:.0%} of the decays are below 0.03, so the state decays within one step "
            f"(limit {self.max_share:.0%})",
            measured=share,
            limit=self.max_share,
            cause="the rates are too large: they start at 0.001 to 0.1 in models that keep a state, but softplus(0) is "
            "0.69",
            fix=fixes.start_biases(biases, -6.9, -2.25) or "give the rates a bias initialized from U(-6.9, -2.25)",
        )

    def _by_bias(self, biased: list[tuple[float, Layer]], recording: Recording) -> Finding:
        layers, share = [layer for _, layer in biased], biased[0][0]
        limit = self.of(layers[0])
        return self.finding(
            layers,
            f"{span(layers)}: {share:.0%} of the outputs are saturated (limit {limit:.0%})",
            severity=prognosis(recording).severity_of_blocking(layers),
            measured=share,
            limit=limit,
            variant=BIAS,
            cause=bias_cause(layers),
            fix=fixes.zero_biases(layers),
        )

    def accounts_for(self, cause: Finding, symptom: Finding) -> bool:
        """Whether another finding follows; a layer saturated by its bias has more consequences."""
        if caused_by_bias(cause):
            return symptom.code in ("IH103", "IH201", "IH205", "IH206", "IH208", "IH301", "IH304", "IH305", "IH406")
        return super().accounts_for(cause, symptom)

    @staticmethod
    def _level(layer: Layer, recording: Recording) -> str:
        output = signal_path.first(recording)[layer.name].output
        return f": rms {number(output.rms)}" if output is not None and signal_path.usable(output) else ""

    @staticmethod
    def _fix(layers: list[Layer], recording: Recording) -> str:
        """Return the fix: a new initialization if the gain is too large, a scale factor if only the input is."""
        large = [layer for layer in layers if gain_causes.relative_gain(layer) > 1.0]
        others = [layer for layer in layers if layer not in large]
        outputs = [signal_path.first(recording)[layer.name].output for layer in others]
        factors = [1.0 / output.rms if output is not None and output.rms > 1.0 else 1.0 for output in outputs]
        return fixes.joined(fixes.each(large), fixes.scale(others, factors))


def _can_saturate(layer: Layer, m: Measurement) -> bool:
    """Whether a layer's output is large enough to saturate; a mask after it (-inf before a sigmoid) saturates too."""
    row = row_of(layer)
    edges = [] if row is None else [abs(e) for e in row.saturating(layer.activation_parameters) if e is not None]
    edge = min(edges) if edges else row.flat_from if row is not None else None
    if edge is None or layer.normed or m.output is None or not signal_path.usable(m.output):
        return True
    return m.output.abs_max * layer.multiplied > edge


def _is_rate(layer: Layer) -> bool:
    """Whether the share measured after the layer is that of a decay: the activation itself has no flat region."""
    row = row_of(layer)
    return row is not None and row.rate
