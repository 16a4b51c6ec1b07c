"""The table of the field benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.judging.halves import HALVES
from benchmarks.judging.intervals import wilson

from .case import Case
from .judging import Judged

HARMED = ("failed", "slowed")


@dataclass(frozen=True)
class Row:
    """One case: its label by training, and the verdicts on both twins, or why a check raised."""

    case: Case
    label: str
    broken: Judged | str
    healthy: Judged | str


def details(rows: Sequence[Row]) -> str:
    """For each case its label, what each twin is said to have, and what its fixes did."""
    lines = []
    for row in rows:
        lines.append(
            f"{row.case.name} ({row.case.half}, {row.label}, {', '.join(row.case.rules)} at {row.case.layers})"
        )
        for name, found in (("broken", row.broken), ("healthy", row.healthy)):
            if isinstance(found, str):
                lines.append(f"    {name}: RAISED {found}")
                continue
            for seed, causes in enumerate(found.causes):
                lines.append(f"    {name} {seed}: {'; '.join(causes) or 'no finding'}")
            if found.fixes:
                lines.append(
                    f"    fixes {found.fixes}: {found.prose} text, {found.raised} raised,"
                    f" cleared {found.cleared}, trains {found.trains}"
                )
    return "\n".join(lines)


def table(rows: Sequence[Row]) -> str:
    """The shares that the benchmark is about, the halves apart."""
    halves = [half for half in HALVES if any(row.case.half == half for row in rows)]
    lines = ["| | " + " | ".join(halves) + " |", "|---" * (len(halves) + 1) + "|"]
    for name, part, whole in MEASURES:
        cells = []
        for half in halves:
            of = [row for row in rows if row.case.half == half and whole(row)]
            cells.append(_share(sum(map(part, of)), len(of)))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    low, high = wilson(part, whole)
    return f"{part} / {whole} = {part / max(whole, 1):.1%} ({100 * low:.1f}-{100 * high:.1f})"


def _harmed(row: Row) -> bool:
    return row.label in HARMED


def _valid(row: Row) -> bool:
    return row.label in (*HARMED, "harmless")


def _is(name: str) -> Callable[[Row], bool]:
    return lambda row: isinstance(row.broken, Judged) and bool(getattr(row.broken, name))


def _runs(row: Row) -> bool:
    """Whether a harmed case has a fix that is code and did not raise."""
    found = row.broken
    return _harmed(row) and isinstance(found, Judged) and found.fixes > found.prose + found.raised


def _twin_flagged(row: Row) -> bool:
    return isinstance(row.healthy, str) or row.healthy.ever_flagged


MEASURES: tuple[tuple[str, Callable[[Row], bool], Callable[[Row], bool]], ...] = (
    ("harmful: flagged", _is("flagged"), _harmed),
    ("harmful: right rule", _is("right_rule"), _harmed),
    ("harmful: cause first", _is("cause_first"), _harmed),
    ("harmful: a fix runs", _runs, _harmed),
    ("fixes that run: clear", _is("cleared"), _runs),
    ("fixes that run: train", _is("trains"), _runs),
    ("harmless: flagged", _is("flagged"), lambda row: row.label == "harmless"),
    ("healthy twins: flagged", _twin_flagged, _valid),
)
