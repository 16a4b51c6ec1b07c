"""Random bytes for the loaders of reports and baselines, which read them or raise a ValueError of one line.

    pip install atheris && python fuzz/saved.py -max_total_time=600 -len_control=0 -max_len=512

Reports that can be read are rendered in every format that needs no rule documentation: none may raise.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports():
    from inithealth.findings import Finding, Report, Severity
    from inithealth.report import layer_table  # noqa: F401
    from inithealth.report.compare import baseline, saved
    from inithealth.report.formats import concise, github, gitlab, junit, markdown, rendered, table  # noqa: F401

_FILE = Path(tempfile.mkdtemp()) / "fuzzed.json"
_FORMATS = ("table", "concise", "markdown", "github", "gitlab", "junit")
_CAUSE = Finding(
    code="IH103", rule="zero-weights", severity=Severity.ERROR, layers=("a",), message="m", source="a.py:1"
)
_REAL = Report(model="Net", findings=(_CAUSE,), notes=("n",)).to_json(indent=None).encode()


@atheris.instrument_func
def fuzzed(data: bytes) -> bytes:
    """The bytes unchanged, inserted into a real report, or as values of some of its fields."""
    source = atheris.FuzzedDataProvider(data)
    way = source.ConsumeIntInRange(0, 5)
    if way == 0:
        return source.ConsumeBytes(len(data))
    if way == 1:
        at, gone = source.ConsumeIntInRange(0, len(_REAL)), source.ConsumeIntInRange(0, 20)
        return _REAL[:at] + source.ConsumeBytes(len(data)) + _REAL[at + gone :]
    report = json.loads(_REAL)
    for _ in range(source.ConsumeIntInRange(1, 4)):
        home = source.PickValueInList(
            [report, *report["findings"]] if isinstance(report["findings"], list) else [report]
        )
        if isinstance(home, dict):
            home[source.PickValueInList(sorted(home))] = value(source)
    return json.dumps(report).encode()


@atheris.instrument_func
def value(source: atheris.FuzzedDataProvider) -> object:
    kind = source.ConsumeIntInRange(0, 4)
    text = source.ConsumeUnicode(20)
    return (text, [text, text], source.ConsumeInt(8), source.ConsumeFloat(), None)[kind]


@atheris.instrument_func
def one(data: bytes) -> None:
    _FILE.write_bytes(fuzzed(data))
    read_or_refused(baseline.read)
    report = read_or_refused(saved.read_report)
    for name in _FORMATS if isinstance(report, Report) else ():
        rendered(report, name)


def read_or_refused(reader: Callable[[Path], object]) -> object:
    told = ""
    try:
        return reader(_FILE)
    except ValueError as error:
        told = str(error)
    assert len(told.splitlines()) == 1
    return None


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
