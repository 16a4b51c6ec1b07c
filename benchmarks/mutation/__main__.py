"""Measures how many mutants of the judging code are killed by the tests of their module; prints a table.

    pip install -e .[test] -r benchmarks/mutation/requirements.txt
    python -m benchmarks.mutation [paths] [--sample 300] [--seed 0] [--workers 1]

A mutant is one small change by mutmut's operators. Each is run against its module's test file: `inithealth/a/b.py`
against `tests/a/test_b.py`. Results are stored in `benchmarks/.results/`, so an interrupted run resumes.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.mutation import trial
from benchmarks.mutation.equivalent import EQUIVALENT
from benchmarks.mutation.mutants import Mutant, digest, mutants_of, shown
from benchmarks.mutation.trial import Outcome, Trial

_FOLDERS = ("inithealth/evidence", "inithealth/rules", "inithealth/judge", "inithealth/record/statistics")
_KEPT = Path("benchmarks/.results/mutation.jsonl")
_TIMES = 10.0  # multiple of the tests' own processor time
_COLUMNS = ("killed", "survived", "timed out", "no test file", "equivalent")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sample and print the survivors. Returns 1 if the tests fail without a mutant."""
    options = _parser().parse_args(arguments)
    chosen = _sample(_sources(options.paths), options.sample, options.seed)
    results = _Results(_KEPT)
    tests = {each.path: _tests_of(each.path) for each in chosen}
    tested = [each for each in chosen if tests[each.path].exists()]
    trial.warmed()
    _run([_unchanged(path) for path in dict.fromkeys(each.path for each in tested)], results, options.workers)
    broken = [path for path in tests if tests[path].exists() and results[_unchanged(path)].result != "passed"]
    for path in broken:
        print(f"{tests[path]} fails without any mutant", file=sys.stderr)
    if broken:
        return 1
    _run([_changed(each, results) for each in tested], results, options.workers)
    _print(chosen, {id(each): _verdict(each, results) for each in chosen})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path, default=[Path(folder) for folder in _FOLDERS])
    parser.add_argument("--sample", type=int, default=300, help="number of mutants")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample")
    parser.add_argument("--workers", type=int, default=1, help="number of parallel processes")
    return parser


def _sources(paths: Iterable[Path]) -> list[Path]:
    return sorted(file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path]))


def _sample(sources: Iterable[Path], size: int, seed: int) -> list[Mutant]:
    every = [mutant for source in sources for mutant in mutants_of(source)]
    print(f"{min(size, len(every))} of {len(every)} mutants, seed {seed}")
    places = random.Random(seed).sample(range(len(every)), min(size, len(every)))
    return [every[place] for place in sorted(places)]


def _tests_of(path: Path) -> Path:
    return Path("tests", *path.parts[1:-1], f"test_{path.name}")


def _unchanged(path: Path) -> Trial:
    return _trial(path, path.read_text(encoding="utf-8"))


def _changed(mutant: Mutant, results: _Results) -> Trial:
    own = results[_unchanged(mutant.path)].seconds
    return _trial(mutant.path, mutant.source, _TIMES * own)


def _trial(path: Path, source: str, limit: float = 120.0) -> Trial:
    tests = _tests_of(path)
    return Trial(digest(source, tests.read_text(encoding="utf-8")), path, source, tests, limit)


class _Results:
    """Outcomes by the trial's key. A trial that is in the file is not run again."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(exist_ok=True)
        file.touch()
        self._file = file
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        self._found = {line["key"]: Outcome(line["result"], line["seconds"]) for line in lines}

    def __contains__(self, each: Trial) -> bool:
        return each.key in self._found

    def __getitem__(self, each: Trial) -> Outcome:
        return self._found[each.key]

    def add(self, each: Trial, outcome: Outcome) -> None:
        self._found[each.key] = outcome
        line = {"key": each.key, "path": str(each.path), "result": outcome.result, "seconds": outcome.seconds}
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _run(trials: Sequence[Trial], results: _Results, workers: int) -> None:
    missing = list({each.key: each for each in trials if each not in results}.values())
    for number, (each, outcome) in enumerate(trial.run(missing, workers), 1):
        results.add(each, outcome)
        print(f"\r{number} of {len(missing)} ", end="", file=sys.stderr, flush=True)


def _verdict(mutant: Mutant, results: _Results) -> str:
    if not _tests_of(mutant.path).exists():
        return "no test file"
    result = results[_trial(mutant.path, mutant.source)].result
    named = {"failed": "killed", "timed out": "timed out", "passed": "survived"}[result]
    return "equivalent" if named == "survived" and _named(mutant) in EQUIVALENT else named


def _named(mutant: Mutant) -> str:
    return f"{mutant.path}: {mutant.change[1]}"


def _print(chosen: Sequence[Mutant], verdicts: dict[int, str]) -> None:
    for line in _table(chosen, verdicts):
        print(line)
    for title in ("survived", "equivalent"):
        print(f"\n{title}:")
        for each in chosen:
            if verdicts[id(each)] == title:
                line, change = each.change
                print(f"{each.path}:{line}: {shown(change)}")
                if title == "equivalent":
                    print(f"    {EQUIVALENT[_named(each)]}")


def _table(chosen: Sequence[Mutant], verdicts: dict[int, str]) -> Iterator[str]:
    counts: dict[str, Counter[str]] = {}
    for each in chosen:
        folder = next((f for f in _FOLDERS if each.path.is_relative_to(f)), "")
        for row in (str(each.path), folder, "all"):
            counts.setdefault(row, Counter())[verdicts[id(each)]] += 1
    yield f"\n{'file':<50}{'mutants':>10}" + "".join(f"{name:>14}" for name in _COLUMNS) + f"{'score':>8}"
    for row in sorted(counts, key=lambda row: (row == "all", row in _FOLDERS, row)):
        count = counts[row]
        judged = count.total() - count["equivalent"]
        score = (count["killed"] + count["timed out"]) / judged if judged else 1.0
        yield f"{row:<50}{count.total():>10}" + "".join(f"{count[c]:>14}" for c in _COLUMNS) + f"{score:>8.0%}"


if __name__ == "__main__":
    sys.exit(main())
