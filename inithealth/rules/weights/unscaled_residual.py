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


class UnscaledResidual(DepthLimits, Rule):
    """Residual branches add up, and nothing scales them down with the depth.

    ## What it checks
    How much the branches make the trunk grow, from the sizes measured where each branch reads it and of what
    each adds. Without a norm in the branches every branch adds in proportion to the trunk, which grows
    exponentially: a warning, and soon an error. With a norm before or in each branch, all add alike and the
    trunk grows by the square root of their number, which trains: a note where that is much.
    And whether branch ends are as large as all other layers, in a network that does scale some of its layers
    down by the depth: by 1 / sqrt(blocks) or 1 / sqrt(2 blocks), GPT's rule.

    ## Why it matters
    A trunk that grows by 1.4 a branch is a million times too large after forty: the loss starts there, and
    the first step throws the weights away. A scaling that was put on the wrong layer does nothing for depth.

    ## How to fix
    Divide the weights of the layers that end the branches by the square root of the number of branches.

    ## When to ignore
    The note, where the architecture was published so: many pre-norm networks are not scaled by depth.

    ## References
    Radford et al., GPT-2, section 2.3; Zhang et al., Fixup, https://arxiv.org/abs/1901.09321;
    https://github.com/huggingface/transformers/issues/47458; https://github.com/pytorch/torchtitan/issues/3334
    """

    code = "IH108"
    name = "unscaled-residual"
    severity = Severity.WARNING
    rank: ClassVar[int] = 35  # behind the weight scale: branches whose weights are too large are not scaled either
    explains: ClassVar[frozenset[str]] = frozenset(
        "IH202 IH203 IH205 IH208 IH209 IH301 IH302 IH303 IH402 IH403 IH404 IH405 IH406".split()
    )
    max_growth: float = limit(
        10.0,
        "growth of the trunk over all residual branches: sqrt(2)^N for N branches drawn by He's rule exceeds "
        "it beyond 6 of them",
        unit="ratio of the trunk's rms",
    )
    highest_growth: float = limit(
        1e3,
        "growth of the trunk beyond which it is an error: without norms none trained",
        unit="ratio of the trunk's rms",
    )
    max_depth_growth: float = limit(
        5.0,
        "growth over that of branches scaled by depth: at most sqrt(25) for 12 blocks of two",
        unit="ratio",
    )

    def check(self, recording: Recording) -> Iterator[Finding]:
        found = [] if recording.trunk_normalized else branches(recording)
        grown, left_out = growth(found), unscaled_ends(recording, self)
        amount = max(recording.branches, len(found))
        bare = [branch for branch in found if not branch.normed]
        if grown > self.max_growth and len(bare) > len(found) / 2:
            yield self._exploding([branch.end for branch in bare], grown, amount)
        elif left_out is not None:
            yield self._left_out(left_out, recording.normalized)
        elif scaled_by_depth(recording, self):
            twice = scaled_twice(recording, self)
            if twice:
                yield self._twice(twice, recording)
        elif grown > self.max_growth and grown > self.max_depth_growth * growth_if_scaled(grown, amount):
            yield self._adding([branch.end for branch in found], grown, amount)

    def _exploding(self, ends: list[Layer], grown: float, amount: int) -> Finding:
        return self.finding(
            ends,
            f"{span(ends)}: {_several(amount)} make the trunk {times(grown)} larger (limit {times(self.max_growth)})",
            severity=Severity.ERROR if grown > self.highest_growth else self.severity,
            measured=grown,
            limit=self.max_growth,
            cause="each adds in proportion to the trunk, and no normalization takes its growth away: that multiplies",
            fix=fixes.by_depth(ends, amount, _blocks(ends)),
        )

    def _left_out(self, found: Unscaled, normalized: bool) -> Finding:
        rms = found.ends[0].weight.rms if found.ends[0].weight else 0.0
        limit = rms / math.sqrt(found.branches)
        wrong = f"the scaling is on {span(found.misplaced)} instead: no residual branch ends there"
        return self.finding(
            [*found.ends, *found.misplaced],
            f"{span(found.ends)}: not scaled by depth, rms {number(rms)} (limit {number(limit)}), "
            f"as {span(found.scaled)} {verb(len(found.scaled), 'is', 'are')}",
            # Norms keep the branches alike: that trains, and some networks are published so.
            severity=Severity.INFO if normalized and not found.misplaced else self.severity,
            measured=rms,
            limit=limit,
            cause=wrong
            if found.misplaced
            else "what these layers add to the trunk grows with the depth that the others were scaled for",
            fix=fixes.by_depth(found.ends, found.branches, _blocks(found.ends), undo=found.misplaced),
        )

    def _twice(self, layers: list[Layer], recording: Recording) -> Finding:
        rms = layers[0].weight.rms if layers[0].weight else 0.0
        limit = rms * math.sqrt(recording.branches)
        return self.finding(
            layers,
            f"{span(layers)}: scaled by depth as branch ends are, rms {number(rms)} (limit {number(limit)})",
            severity=Severity.INFO,
            measured=rms,
            limit=limit,
            cause="no residual branch ends there: what the branches add is scaled twice, and trains all the same",
            fix=fixes.by_depth([], recording.branches, _blocks(layers), undo=layers),
        )

    def _adding(self, ends: list[Layer], grown: float, amount: int) -> Finding:
        return self.finding(
            ends,
            f"{span(ends)}: {_several(amount)} that are not scaled by depth make the trunk {times(grown)} larger "
            f"(limit {times(self.max_growth)}), scaled they would make it {times(growth_if_scaled(grown, amount))}",
            severity=Severity.INFO,
            measured=grown,
            limit=self.max_growth,
            cause="norms keep every branch alike, so the trunk grows by the square root of their number: it trains, "
            "but each later block says less beside what was there",
            fix=fixes.by_depth(ends, amount, _blocks(ends)),
        )


def _several(amount: int) -> str:
    return f"{amount} {verb(amount, 'residual branch', 'residual branches')}"


def _blocks(ends: Sequence[Layer]) -> int:
    """How many blocks repeat each other."""
    return max(map(len, grouped(ends, block_role)))
