from __future__ import annotations

from collections.abc import Iterator

from inithealth.evidence import fixes, gain_causes, signal_path
from inithealth.evidence.symptoms import AttentionLimits
from inithealth.evidence.wording import called, number, span, times
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Measurement, Recording
from inithealth.rules.base import Rule, limit

Attention = list[tuple[Layer, Measurement]]  # the layers that make its queries and keys

_SCORES = "scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # as F.scaled_dot_product_attention does"


class SaturatedAttention(AttentionLimits, Rule):
    """Attention starts as a choice of one key.

    ## What it checks
    The spread of the attention logits over the keys that a query can see, and the largest attention
    weight. Causal and padding masks, and attention over fewer than four keys, are left out.

    ## Why it matters
    Where one key has all the weight the softmax is flat: hardly any gradient comes back to queries and
    keys, and what they choose at random stays chosen.

    ## How to fix
    Initialize the query and key weights so that their outputs have rms 1, and divide the logits by
    sqrt(head dimension).

    ## When to ignore
    For attention that is meant to look up one key.

    ## References
    Vaswani et al. 2017, section 3.2.1, https://arxiv.org/abs/1706.03762; Dehghani et al. 2023,
    https://arxiv.org/abs/2302.05442
    """

    code = "IH209"
    name = "saturated-attention"
    severity = Severity.WARNING
    rank = 42
    explains = frozenset({"IH301", "IH406"})
    error_std: float = limit(
        50.0,
        "spread beyond which it is an error where no skip leads around or a norm follows the sum: SGD failed "
        "at 131 there; below 46 all trained",
        unit="std",
    )
    lost_std: float = limit(
        100.0,
        "spread beyond which it is an error anywhere: one such layer, pre-norm and post-norm alike, failed "
        "with both optimizers at 170 to 187",
        unit="std",
    )
    max_top: float = limit(
        0.9,
        "largest attention weight, mean over the queries; 0.55 or less on 66 published networks",
        unit="attention weight",
    )
    min_top_std: float = limit(
        5.0,
        "least spread of the logits for max_top to apply: below it a mask or a bias makes a weight large",
        unit="std",
    )
    max_unscaled: float = limit(
        2.5,
        "logits over rms(query) rms(key): 1 where they are divided by sqrt(d), 8 at d = 64 where they are not",
        unit="ratio",
    )
    max_gain: float = limit(
        2.0,
        "gain of the query and key weights beyond which they are the cause, rather than what they read",
        unit="times the gain that keeps the signal",
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
        """What makes the logits large: the weights, a scale that is missing, or what queries and keys read."""
        if any(gain_causes.relative_gain(layer) > self.max_gain for layer, _ in attention):
            return "weights"
        return "scale" if _unscaled(attention) > self.max_unscaled else "input"

    def _lost(self, attentions: list[Attention], most: bool, recording: Recording) -> bool:
        """Whether training does not take it back: SGD, where no skip leads around or a norm follows the sum."""
        if _std(attentions[0]) <= self.error_std:
            return False
        if _std(attentions[0]) > self.lost_std:
            return True
        essential = any(not layer.bypassable for attention in attentions for layer, _ in attention)
        return essential or (most and recording.trunk_normalized and not recording.adaptive)

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
            f"{span(layers)}: the attention logits spread by {most}{number(std)} (limit {number(self.max_std)}) over "
            f"{m.attention_keys} keys, the largest weight is {number(top)} on average (limit {number(self.max_top)})",
            severity=Severity.ERROR if lost else self.severity,
            measured=measured,
            limit=limit,
            cause=cause,
            fix=fix,
        )

    def _explained(
        self, reason: str, worst: Attention, layers: list[Layer], attentions: list[Attention]
    ) -> tuple[str, str]:
        """The cause in words, and what to type."""
        if reason == "weights":
            loud = [layer for layer in layers if gain_causes.relative_gain(layer) > self.max_gain]
            most = times(gain_causes.relative_gain(loud[0]))
            return f"the weights of {called(loud[0])} have {most} the gain that keeps the signal", fixes.each(loud)
        if reason == "scale":
            over = _unscaled(worst)
            told = f"the weights are right, the logits are {times(over)} as large as they make them over sqrt(d)"
            return f"{told}: products of about {over**2:.0f} dimensions are not divided by their root", _SCORES
        levels_read = [_level(m) for attention in attentions for _, m in attention]
        told = f"the weights are right, what they read is large: rms {number(max(levels_read))}"
        return told, fixes.scale(layers, [1.0 / max(1.0, level) for level in levels_read])


def _attentions(recording: Recording) -> list[Attention]:
    """The layers of each attention: query and key have the very same numbers."""
    found: dict[tuple[float, float | None, int], Attention] = {}
    for layer, m in signal_path.measured(recording):
        if m.attention_std is not None and layer.reaches_loss:
            found.setdefault((m.attention_std, m.attention_top, m.attention_keys), []).append((layer, m))
    return list(found.values())


def _std(attention: Attention) -> float:
    return attention[0][1].attention_std or 0.0


def _unscaled(attention: Attention) -> float:
    """How much larger the logits are than queries and keys of that size make them when divided by sqrt(d)."""
    sizes = [_size(layer, m) for layer, m in attention]
    return _std(attention) / max(sizes[0] * sizes[-1], 1e-30)


def _size(layer: Layer, m: Measurement) -> float:
    """rms of what a layer gives the attention: 1 behind a normalization."""
    return 1.0 if layer.normed or m.output is None or not signal_path.usable(m.output) else m.output.rms


def _level(m: Measurement) -> float:
    return m.input.rms if m.input is not None and signal_path.usable(m.input) else 1.0
