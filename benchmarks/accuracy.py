"""Measures how often verdicts are correct: hundreds of networks, half of them never used for fitting, and two peers.

    pip install -r benchmarks/accuracy-requirements.txt
    python -m benchmarks.accuracy [--only PART ...] [--half HALF ...] [--no-peers] [--worst] [--again]

Trains the networks that label the faults and the forecast, records every network, runs the peers, judges the recordings
and prints the table. This takes about two hours on two cores from scratch, and 45 minutes with the labels that are
stored in ``benchmarks/labels``. Every other result is appended to a JSON lines file as soon as it is available, so an
interrupted run resumes. Use ``--again`` to record the networks again after a change of the recorder. A change of the
rules does not need it: they judge the recordings.

The networks of the half "fresh" were added later, with model families and seeds that were not used before. They are
skipped by default so that they stay unseen:

    python -m benchmarks.accuracy --half fresh --no-peers
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.faults.catalogue import EVERY_FAULT, EVERY_HOST, mutant
from benchmarks.judging import recorded
from benchmarks.judging.entries import Entry, entries, trainings
from benchmarks.judging.halves import HALVES, UNFITTED, USUAL, Half
from benchmarks.judging.kept import Kept
from benchmarks.judging.peers import HINTS, PEERS
from benchmarks.judging.scored import Judged
from benchmarks.judging.table import OURS, table, worst
from benchmarks.judging.truth import true_of
from benchmarks.judging.verdicts import Verdict
from benchmarks.judging.work import LABELS, run

RESULTS = Path(__file__).parent / ".results" / "accuracy"
PARTS = ("healthy", "hosts", "faults", "forecast")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--worst", action="store_true", help="list every network with a wrong verdict")
    parser.add_argument(
        "--half", nargs="+", choices=HALVES, default=USUAL, help="judge only the networks of these halves"
    )
    parser.add_argument("--again", action="store_true", help="record the networks again")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    peers = () if options.no_peers else tuple(PEERS)
    judged = measured(options.results, options.only, options.half, options.workers, peers, again=options.again)
    print(table(judged, options.half))
    if options.worst:
        print(worst(judged[OURS]))


def measured(
    folder: Path, parts: Iterable[str], halves: Sequence[Half], workers: int, peers: Iterable[str], *, again: bool
) -> dict[str, list[Judged]]:
    """Return the verdicts of each tool for every network, with the true label."""
    selected = {key: entry for key, entry in entries(halves).items() if entry.part in parts}
    if again:
        (folder / "recorded.jsonl").unlink(missing_ok=True)
    recordings = run("recorded", selected, folder, workers)
    trained, forecast = Kept(LABELS / "trained.jsonl"), Kept(LABELS / "foretold.jsonl")
    if "faults" in parts:
        trained = run("trained", ("|".join(map(str, each)) for each in trainings(halves)), folder, workers)
    if "forecast" in parts:
        plans = (entry.name for entry in selected.values() if entry.part == "forecast")
        forecast = run("foretold", plans, folder, workers)
    truth = {key: known for key, entry in selected.items() if (known := true_of(entry, trained, forecast))}
    found = {
        OURS: [_judged(selected[key], known, _ours(selected[key], recordings, folder)) for key, known in truth.items()]
    }
    _write(folder / "verdicts.jsonl", found[OURS])
    unfitted = [key for key in truth if selected[key].half in UNFITTED]  # the peers were not fitted on any half
    for peer in peers:
        kept = run(peer, unfitted, folder, workers)
        verdicts = {key: Verdict.of(kept.get(key) or {}) for key in unfitted}
        found[peer] = [_judged(selected[key], truth[key], verdicts[key]) for key in unfitted]
        for name, hints in HINTS.get(peer, {}).items():
            found[name] = [_judged(selected[key], truth[key], verdicts[key].without(hints)) for key in unfitted]
    return found


def _ours(entry: Entry, recordings: Kept, folder: Path) -> Verdict:
    broken = (recordings.get(entry.key) or {}).get("broken")
    return Verdict(broken=broken) if broken else recorded.judged(entry, folder / "recordings")


def _judged(entry: Entry, truth: str, verdict: Verdict) -> Judged:
    if entry.part != "faults":
        return Judged(entry, truth, verdict)
    host, name = entry.name.split("/", 1)
    fault = EVERY_FAULT[name]
    return Judged(entry, truth, verdict, fault, tuple(mutant(EVERY_HOST[host], fault, entry.seed)[1]))


def _write(path: Path, judged: Iterable[Judged]) -> None:
    rows = ({"key": j.entry.key, "half": j.entry.half, "truth": j.truth, **j.verdict.entry()} for j in judged)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
