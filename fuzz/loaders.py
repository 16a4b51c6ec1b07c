"""Fuzzes everything that reads a file: it is read, or rejected with one line, and what is read is judged and prints.

    pip install atheris
    PYTHONPATH=. python fuzz/loaders.py -max_total_time=900 -len_control=0 -max_len=512

The loaders: reports, baselines, settings (TOML), model configurations (YAML), the events of TensorBoard's tab, and the
recordings of checkpoints, from which a resumed run is judged.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import atheris
import numpy as np
import torch
from torch import nn

with atheris.instrument_imports(include=["inithealth"]):
    import inithealth
    from fuzz.texts import is_document, prints, read_or_rejected
    from fuzz.values import changed, provider
    from inithealth.cli import model_config
    from inithealth.cli.errors import BadInput
    from inithealth.configuration import load
    from inithealth.judge.diagnose import diagnose
    from inithealth.page.of_report import run_data
    from inithealth.page.state import state
    from inithealth.recording import Recording
    from inithealth.report.compare import baseline, loading
    from inithealth.report.plain import printable
    from inithealth.tensorboard.tab_data import TabData
    from inithealth.tensorboard.tab_tags import FIRST_STEP, STATE, STRUCTURE

_FILE = Path(tempfile.mkdtemp()) / "fuzzed"
_TOML = b'[tool.inithealth]\nselect = ["IH1"]\nuntil = 100\n'
_TOML += b"[tool.inithealth.rules.vanishing-activations]\nmin_ratio = 1e-4\n"
_TOML += b'[[tool.inithealth.suppress]]\nrule = "IH103"\nreason = "x"\nlayers = ["a.*"]\n'
_YAML = b"model:\n  class_path: torch.nn.Linear\n  init_args: &a {in_features: 4, out_features: 1e1}\n"
_YAML += b"data: {<<: *a, x: [1, 2]}\n"


def _watched() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the report of a short run, and its recording."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.LayerNorm(16), nn.Linear(16, 4))
    nn.init.zeros_(model[2].weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with inithealth.watch(model, optimizer=optimizer, verbose=False) as monitor:
        for _ in range(4):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(torch.randn(32, 8)), torch.arange(32) % 4)
            loss.backward()
            monitor.step(loss)
            optimizer.step()
    return json.loads(monitor.report.to_json()), json.loads(monitor.recording.model_dump_json())


_REPORT, _RECORDING = _watched()
_BASELINE = json.loads(baseline.text_of(baseline.Baseline.of(inithealth.Report.model_validate(_REPORT))))
_DATA = run_data(inithealth.Report.model_validate(_REPORT))
_STATE = state(inithealth.Report.model_validate(_REPORT))


@atheris.instrument_func
def report(source: atheris.FuzzedDataProvider) -> None:
    _FILE.write_bytes(_bytes(source, _REPORT))
    found = read_or_rejected(lambda: loading.read_report(_FILE))
    if found is not None:
        prints(found)


@atheris.instrument_func
def known(source: atheris.FuzzedDataProvider) -> None:
    _FILE.write_bytes(_bytes(source, _BASELINE))
    found = read_or_rejected(lambda: baseline.read(_FILE))
    if found is not None:
        prints(baseline.applied(inithealth.Report.model_validate(_REPORT), found))
        baseline.text_of(found)


@atheris.instrument_func
def recording(source: atheris.FuzzedDataProvider) -> None:
    document = changed(source, copy.deepcopy(_RECORDING))
    document["layers"] = _with_real_shapes(document.get("layers"))  # checkpoints are trusted: extreme numbers alone
    try:
        found = Recording.model_validate_json(json.dumps(document))
    except ValueError:
        return
    prints(diagnose(found, inithealth.Settings()))


def _with_real_shapes(layers: Any) -> Any:
    real = _RECORDING["layers"]
    for layer in layers if isinstance(layers, list) else ():
        if isinstance(layer, dict) and isinstance(layer.get("weight"), dict) and layer.get("index") in range(len(real)):
            layer["weight"]["shape"] = real[layer["index"]]["weight"]["shape"]
            layer |= {"unit_axis": real[layer["index"]]["unit_axis"], "kind": real[layer["index"]]["kind"]}
    return layers


@atheris.instrument_func
def settings(source: atheris.FuzzedDataProvider) -> None:
    _FILE.write_bytes(_spliced(source, _TOML))
    read_or_rejected(lambda: load(_FILE))


@atheris.instrument_func
def configuration(source: atheris.FuzzedDataProvider) -> None:
    _FILE.write_bytes(_spliced(source, _YAML))
    read_or_rejected(lambda: _configuration(str(_FILE)))


def _configuration(file: str) -> None:
    """Read a model configuration; its error as the command prints it."""
    try:
        model_config.read(file)
    except BadInput as error:
        raise ValueError(printable(str(error))) from None


@atheris.instrument_func
def events(source: atheris.FuzzedDataProvider) -> None:
    structure = {name: _DATA[name] for name in ("model", "optimizer", "layers", "expected", "theory", "trunk")}
    texts = {STRUCTURE: structure, STATE: _STATE}
    data = {
        tag: [_datum(np.array(_bytes(source, copy.deepcopy(content)), dtype=object))] for tag, content in texts.items()
    }
    data[FIRST_STEP] = [_datum(np.frombuffer(source.ConsumeBytes(64).ljust(160, b"\0"), dtype="<f4"))]
    found = TabData(_Provider(data), None, "")
    found.runs()
    is_document(found.run("run"))


def _datum(array: Any) -> SimpleNamespace:
    return SimpleNamespace(wall_time=0.0, step=0, numpy=array)


class _Provider:
    """TensorBoard's data provider of one run."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def list_tensors(self, *_: Any, **__: Any) -> Any:
        return {"run": dict.fromkeys(self._data, SimpleNamespace(plugin_content=b'{"version":1}', max_step=3))}

    def read_tensors(self, *_: Any, **__: Any) -> Any:
        return {"run": self._data}


@atheris.instrument_func
def _bytes(source: atheris.FuzzedDataProvider, document: Any) -> bytes:
    """Return a document with other values, or spliced bytes."""
    if source.ConsumeIntInRange(0, 7):
        return json.dumps(changed(source, copy.deepcopy(document))).encode("utf-8", "surrogatepass")
    return _spliced(source, json.dumps(document).encode())


@atheris.instrument_func
def _spliced(source: atheris.FuzzedDataProvider, real: bytes) -> bytes:
    at, gone = source.ConsumeIntInRange(0, len(real)), source.ConsumeIntInRange(0, 20)
    return real[:at] + source.ConsumeBytes(64) + real[at + gone :]


TARGETS = (report, report, recording, known, settings, configuration, events)


@atheris.instrument_func
def one(data: bytes) -> None:
    source = provider(data)
    TARGETS[source.ConsumeIntInRange(0, len(TARGETS) - 1)](source)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
