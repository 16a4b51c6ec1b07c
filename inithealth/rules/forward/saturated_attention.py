from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import fixes, gain_causes, signal_path
from inithealth.evidence.prognosis import prognosis
from inithealth.evidence.symptoms import AttentionLimits
from inithealth.evidence.wording import called, number, span, times
from inithealth.findings import Finding, Severity
from inithealth.powers import squared
from inithealth.recording import Layer, Measurement, Recording
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage

Attention = list[tuple[Layer, Measurement]]  # the layers that compute its queries and keys

_SCORES = "scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # as F.scaled_dot_product_attention does"


class SaturatedAttention(AttentionLimits, Rule):
    """The attention softmax is saturated: each query attends to a single key.

    ## What it checks
    The std of the attention logits over the keys that a query can attend to, and the largest attention
    weight. Masked keys, and attention over fewer than four keys, are excluded.

    ## Why it matters
    If one key has nearly all the weight, the softmax is flat. Queries and keys receive hardly any gradient,
    so the random initial choice of the key remains.

    ## How to fix
    Initialize the query and key weights so that their outputs have rms 1, and divide the logits by
    sqrt(head dimension).

    ## When to ignore
    For attention that intentionally selects one key.

    ## References
    Vaswani et al. 2017, section 3.2.1, https://arxiv.org/abs/1706.03762; Dehghani et al. 2023,
    https://arxiv.org/abs/2302.05442
    """

    code = "IH209"
    name = "saturated-attention"
    severity = Severity.WARNING
    rank = Stage.UNITS
    explains = frozenset({"IH301", "IH406"})
    error_std: float = limit(
        50.0,
        "std of the logits beyond which it is an error if no skip connection bypasses the attention or a normalization "
        "follows the sum (post-norm): SGD failed there at 131; all networks below 46 trained",
        unit="std",
    )
    lost_std: float = limit(
        100.0,
        "std of the logits beyond which it is always an error: networks with one such layer, pre-norm or post-norm, "
        "failed with both optimizers at 170 to 187",
        unit="std",
    )
    max_top: float = limit(
        0.9,
        "largest attention weight, averaged over the queries; 0.55 or less in 66 published networks",
        unit="attention weight",
    )
    min_top_std: float = limit(
        5.0,
        "smallest std of the logits for max_top to apply: below it, a mask or a bias causes the large weight",
        unit="std",
    )
    max_unscaled: float = limit(
        2.5,
        "logits over rms(query) rms(key): 1 if they are divided by sqrt(d), 8 without this scaling at d = 64",
        unit="ratio",
    )
    max_gain: float = limit(
        2.0,
        "gain of the query and key weights beyond which the weights are the cause, not their input",
        unit="ratio to the gain that preserves the signal",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        attentions = sorted(_attentions(recording), key=lambda attention: -_std(attention))
        saturated = [attention for attention in attentions if self._saturated(attention[0][1])]
        most = 2 * len(saturated) > len(attentions)
        for reason in ("weights", "scale", "input"):
            alike = [attention for attention in saturated if self._reason(attention) == reason]
            if alike:
                yield self._group(reason, alike, self._lost(alike, most, recording))

    def _saturated(self, m: Measurement) -> bool:
        std, top = m.attention_std or 0.0, m.attention_top or 0.0
        return std > self.max_std or (top > self.max_top and std > self.min_top_std)

    def _reason(self, attention: Attention) -> str:
        """Return why the logits are large: the weights, missing scaling by sqrt(d), or the input."""
        if any(gain_causes.relative_gain(layer) > self.max_gain for layer, _ in attention):
            return "weights"
        return "scale" if _unscaled(attention) > self.max_unscaled else "input"

    def _lost(self, attentions: list[Attention], most: bool, recording: Recording) -> bool:
        """Whether training does not recover: SGD does not without a skip connection around it, or with post-norm."""
        if _std(attentions[0]) <= self.error_std:
            return False
        if _std(attentions[0]) > self.lost_std:
            return True
        layers = [layer for attention in attentions for layer, _ in attention]
        return prognosis(recording).needs(layers) or (most and recording.trunk_normalized and not recording.adaptive)

    def _group(self, reason: str, attentions: list[Attention], lost: bool) -> Finding:
        worst = attentions[0]
        layers = [layer for attention in attentions for layer, _ in attention]
        if reason == "weights":
            layers.sort(key=lambda layer: -round(gain_causes.relative_gain(layer), 1))
        std, m = _std(worst), worst[0][1]
        top = m.attention_top or 0.0
        most = "up to " if len(attentions) > 1 else ""
        # Logits just below the limit can leave one key nearly all the weight.
        measured, limit = (std, self.max_std) if std > self.max_std else (top, self.max_top)
        cause, fix = self._explained(reason, worst, layers, attentions)
        return self.finding(
            layers,
            f"{span(layers)}: the attention logits have std {most}{number(std)} (limit {number(self.max_std)}) over "
            f"{m.attention_keys} keys; the largest weight is {number(top)} on average (limit {number(self.max_top)})",
            severity=Severity.ERROR if lost else self.severity,
            measured=measured,
            limit=limit,
            cause=cause,
            fix=fix,
        )

    def _explained(
        self, reason: str, worst: Attention, layers: list[Layer], attentions: list[Attention]
    ) -> tuple[str, str]:
        """Return the cause as text, and the fix."""
        if reason == "weights":
            large = [layer for layer in layers if gain_causes.relative_gain(layer) > self.max_gain]
            most = times(gain_causes.relative_gain(large[0]))
            return f"the weights of {called(large[0])} have {most} the gain that preserves the signal", fixes.each(
                large
            )
        if reason == "scale":
            over = _unscaled(worst)
            cause = f"the scale of the weights is correct, but the logits are {times(over)} too large: they are not"
            return f"{cause} divided by the square root of the head dimension (about {squared(over):.0f})", _SCORES
        input_levels = [_level(m) for attention in attentions for _, m in attention]
        cause = f"the scale of the weights is correct, but their input is large: rms {number(max(input_levels))}"
        return cause, fixes.scale(layers, [1.0 / max(1.0, level) for level in input_levels])


def _attentions(recording: Recording) -> list[Attention]:
    """Return the layers of each attention; those of its queries and keys have the same measurements."""
    found: dict[tuple[float, float | None, int], Attention] = {}
    for layer, m in signal_path.measured(recording):
        if m.attention_std is not None and layer.reaches_loss:
            found.setdefault((m.attention_std, m.attention_top, m.attention_keys), []).append((layer, m))
    return list(found.values())


def _std(attention: Attention) -> float:
    return attention[0][1].attention_std or 0.0


def _unscaled(attention: Attention) -> float:
    """Return the logits' std relative to that of such queries and keys with scaling by sqrt(d)."""
    sizes = [_size(layer, m) for layer, m in attention]
    return _std(attention) / max(sizes[0] * sizes[-1], 1e-30)


def _size(layer: Layer, m: Measurement) -> float:
    """Return the rms of the queries or keys that a layer computes; 1 if a normalization follows."""
    return 1.0 if layer.normed or m.output is None or not signal_path.usable(m.output) else m.output.rms


def _level(m: Measurement) -> float:
    return m.input.rms if m.input is not None and signal_path.usable(m.input) else 1.0
