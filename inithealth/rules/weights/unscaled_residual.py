from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar

from inithealth.evidence import fixes
from inithealth.evidence.depth_scheme import DepthLimits, Unscaled, scaled_by_depth, scaled_twice, unscaled_ends
from inithealth.evidence.residual_stream import branches, growth, growth_if_scaled
from inithealth.evidence.roles import block_role, grouped
from inithealth.evidence.wording import number, span, times, verb
from inithealth.findings import Finding, Severity
from inithealth.recording import Layer, Recording
from inithealth.rules.base import Rule, limit
from inithealth.rules.causality import Stage


class UnscaledResidual(DepthLimits, Rule):
    """Residual branches are not scaled down with the number of blocks.

    ## What it checks
    The growth of the residual stream over all branches, measured from the rms of each branch's input and
    output. Without normalization, each branch adds in proportion to the stream, which grows exponentially:
    a warning, or an error for large growth. With a normalization in or before each branch, all branches add
    the same amount and the stream grows with the square root of their number. Such networks train: the
    finding is info, given only for large growth.
    The rule also checks the last layers of the branches in networks that scale some layers by depth, with
    1 / sqrt(blocks) or 1 / sqrt(2 blocks) as GPT-2 does: they should be scaled, and no other layers.

    ## Why it matters
    A residual stream that grows 1.4x per branch is a million times too large after 40 branches. The loss
    starts too high, and the first optimizer step destroys the initialization. A depth scaling on the wrong
    layers has no effect on this growth.

    ## How to fix
    Divide the weights of the last layer of each branch by the square root of the number of branches.

    ## When to ignore
    Ignore info findings on published architectures: many pre-norm networks are not scaled by depth.

    ## References
    Radford et al., GPT-2, section 2.3; Zhang et al., Fixup, https://arxiv.org/abs/1901.09321;
    https://github.com/huggingface/transformers/issues/47458; https://github.com/pytorch/torchtitan/issues/3334
    """

    code = "IH108"
    name = "unscaled-residual"
    severity = Severity.WARNING
    rank = Stage.RESIDUAL_SCALE
    explains: ClassVar[frozenset[str]] = frozenset(
        "IH202 IH203 IH205 IH208 IH209 IH301 IH302 IH303 IH402 IH403 IH404 IH405 IH406".split()
    )
    max_growth: float = limit(
        10.0,
        "largest growth of the residual stream over all branches: N branches with He initialization grow it by "
        "sqrt(2)^N, which exceeds the limit for N > 6",
        unit="ratio of the residual stream's rms",
    )
    highest_growth: float = limit(
        1e3,
        "growth of the residual stream beyond which it is an error: no such network without normalization trained",
        unit="ratio of the residual stream's rms",
    )
    max_depth_growth: float = limit(
        5.0,
        "largest growth relative to that of branches scaled by depth: at most sqrt(25) for 12 blocks of two branches",
        unit="ratio",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        found = [] if recording.trunk_normalized else branches(recording)
        grown, left_out = growth(found), unscaled_ends(recording, self)
        amount = max(recording.branches, len(found))
        without_norm = [branch for branch in found if not branch.normed]
        if grown > self.max_growth and len(without_norm) > len(found) / 2:
            yield self._exponential([branch.end for branch in without_norm], grown, amount)
        elif left_out is not None:
            yield self._not_scaled(left_out, recording.normalized)
        elif scaled_by_depth(recording, self):
            twice = scaled_twice(recording, self)
            if twice:
                yield self._twice(twice, recording)
        elif grown > self.max_growth and grown > self.max_depth_growth * growth_if_scaled(grown, amount):
            yield self._square_root([branch.end for branch in found], grown, amount)

    def _exponential(self, ends: list[Layer], grown: float, amount: int) -> Finding:
        return self.finding(
            ends,
            f"{span(ends)}: the residual stream grows {times(grown)} over {_branches(amount)} "
            f"(limit {times(self.max_growth)})",
            severity=Severity.ERROR if grown > self.highest_growth else self.severity,
            measured=grown,
            limit=self.max_growth,
            cause="each branch adds in proportion to the residual stream, and there is no normalization: the growth is "
            "exponential",
            fix=fixes.by_depth(ends, amount, _blocks(ends)),
        )

    def _not_scaled(self, found: Unscaled, normalized: bool) -> Finding:
        rms = found.ends[0].weight.rms if found.ends[0].weight else 0.0
        limit = rms / math.sqrt(found.branches)
        wrong = f"the scaling is on {span(found.misplaced)} instead, which {verb(len(found.misplaced), 'is', 'are')}"
        return self.finding(
            [*found.ends, *found.misplaced],
            f"{span(found.ends)}: not scaled by depth, rms {number(rms)} (limit {number(limit)}), "
            f"but {span(found.scaled)} {verb(len(found.scaled), 'is', 'are')}",
            # With normalization all branches add the same amount: such networks train, and some are published.
            severity=Severity.INFO if normalized and not found.misplaced else self.severity,
            measured=rms,
            limit=limit,
            cause=f"{wrong} not the last of a residual branch"
            if found.misplaced
            else "the sum of these layers' outputs grows with depth, and only the other layers compensate for it",
            fix=fixes.by_depth(found.ends, found.branches, _blocks(found.ends), undo=found.misplaced),
        )

    def _twice(self, layers: list[Layer], recording: Recording) -> Finding:
        rms = layers[0].weight.rms if layers[0].weight else 0.0
        limit = rms * math.sqrt(recording.branches)
        return self.finding(
            layers,
            f"{span(layers)}: scaled by depth, like the last layers of the branches: rms {number(rms)} "
            f"(limit {number(limit)})",
            severity=Severity.INFO,
            measured=rms,
            limit=limit,
            cause="these layers are inside the residual branches, whose outputs are scaled twice; such networks train",
            fix=fixes.by_depth([], recording.branches, _blocks(layers), undo=layers),
        )

    def _square_root(self, ends: list[Layer], grown: float, amount: int) -> Finding:
        return self.finding(
            ends,
            f"{span(ends)}: the residual stream grows {times(grown)} over {_branches(amount)} not scaled by depth "
            f"(limit {times(self.max_growth)}; with scaling: {times(growth_if_scaled(grown, amount))})",
            severity=Severity.INFO,
            measured=grown,
            limit=self.max_growth,
            cause="normalization gives all branches the same scale, so the residual stream grows with the square root "
            "of their number: the network trains, but later blocks change the stream less and less",
            fix=fixes.by_depth(ends, amount, _blocks(ends)),
        )


def _branches(amount: int) -> str:
    return f"{amount} {verb(amount, 'residual branch', 'residual branches')}"


def _blocks(ends: Sequence[Layer]) -> int:
    """Return the number of repeated blocks."""
    return max(map(len, grouped(ends, block_role)))
