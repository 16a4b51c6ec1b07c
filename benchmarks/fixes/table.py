"""The shares on each half, and the mutants that miss one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.faults.labels import OPTIMIZERS, Losses
from benchmarks.judging.halves import Half
from benchmarks.judging.intervals import wilson

from .scored import SHARES, Outcome, Share


def table(outcomes: Sequence[Outcome], halves: Sequence[Half]) -> str:
    """Return a Markdown table with one column per half; shares have their 95 % interval."""
    lines = ["| | target | " + " | ".join(halves) + " |", "|" + "---|" * (len(halves) + 2)]
    columns = [[each for each in outcomes if each.entry.half == half] for half in halves]
    counts = [f"{sum(bool(each.errors) for each in column)} of {len(column)}" for column in columns]
    lines.append("| harmful mutants with an error |  | " + " | ".join(counts) + " |")
    for share in SHARES:
        cells = [_cell(share, column) for column in columns]
        title = f"faults in {share.of}: {share.title}" if share.of else share.title
        lines.append(f"| {title} | {share.target} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(share: Share, outcomes: list[Outcome]) -> str:
    measured = [each for each in outcomes if share.selects(each)]
    if not measured:
        return "-"
    met = sum(share.met(each) for each in measured)
    low, high = wilson(met, len(measured))
    return f"{met} / {len(measured)} = {met / len(measured):.1%} ({100 * low:.1f}-{100 * high:.1f})"


def missed(outcomes: Sequence[Outcome]) -> str:
    """Return the mutants that miss a share, by name, with the reason, and those that could not be measured."""
    lines: list[str] = []
    for share in (each for each in SHARES if not each.of):
        wrong = [each for each in outcomes if share.selects(each) and share.met(each) == share.most]
        lines += ["", f"{share.title}: {len(wrong)} wrong"]
        for each in wrong:
            lines.append(f"  {each.entry.name} [{each.entry.half}]")
            lines += [f"      {text}" for text in (_losses(each) if share.trained else _causes(each))]
    broken = [each for each in outcomes if each.broken]
    return "\n".join([*lines, "", *(f"{each.entry.name} could not be measured: {each.broken}" for each in broken)])


def _causes(outcome: Outcome) -> Iterator[str]:
    for each in outcome.errors:
        if each["verified"] != "clears":
            yield f"{each['code']} {', '.join(each['layers'])}: {each['message']}"[:220]
            yield f"  fix: {each['fix']}".replace("\n", "; ")[:220]
            yield f"  test: {each['verification']}"[:220]
    for each in outcome.check["errors_after"]:
        yield f"after the fixes: {each['code']} {', '.join(each['layers'])}: {each['message']}"[:220]


def _losses(outcome: Outcome) -> Iterator[str]:
    for name in OPTIMIZERS:
        host = sum(each[name] for each in outcome.healthy) / len(outcome.healthy)
        yield f"{name}: host {host:.3f}, mutant {_loss(outcome.unfixed, name)}, fixed {_loss(outcome.fixed, name)}"


def _loss(losses: Losses | None, name: str) -> str:
    return "not measured" if losses is None else f"{losses[name]:.3f}"
