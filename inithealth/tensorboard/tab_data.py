"""Reads the runs of the plugin's tab from TensorBoard. What cannot be read becomes a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from inithealth.page.document import STATE, document
from inithealth.page.step_values import size
from inithealth.tensorboard.tab_tags import FIRST_STEP, PLUGIN, STEPS, STRUCTURE, TAGS, VERSION
from inithealth.tensorboard.tab_tags import STATE as STATE_TAG

_LISTED = ("healthy", "verdict")  # fields of the state that the list of runs shows
_ALL = 2**31 - 1  # points per tag: all of them
_LAST_STEP = 2**53  # larger numbers are not exact in the page
_NO_RUNS = (
    "No run here has data of Init Health. Add InitHealth() to the callbacks of a Trainer with a TensorBoardLogger, or "
    "pass writer=SummaryWriter(...) to inithealth.watch."
)
_NEWER = "This run was written by a newer version of inithealth: update it to see the run."
_NO_STRUCTURE = "This run has no list of layers yet, or it cannot be read."
_UNKNOWN = "There is no run of this name with data of Init Health."
_LOST = "{} of {} recorded steps cannot be read and are left out."
_NO_STATE = "The findings of this run cannot be read."


class TabData:
    """The runs of one log directory.

    Args:
        provider: TensorBoard's data provider.
        context: of the request.
        experiment: TensorBoard's identifier of the log directory.
    """

    def __init__(self, provider: Any, context: Any, experiment: str) -> None:
        self._provider, self._context, self._experiment = provider, context, experiment

    def runs(self) -> dict[str, Any]:
        """Return the runs with their verdicts, by name."""
        found = self._tags()
        names = sorted(found)
        states = self._read(names, [STATE_TAG]) if names else {}
        runs = []
        for name in names:
            state = _latest(states.get(name, {}).get(STATE_TAG, ())) or {}
            last = max((series.max_step for series in found[name].values()), default=0)
            runs.append({"run": name, "lastStep": last, **{key: state.get(key, STATE[key]) for key in _LISTED}})
        return {"runs": runs, "message": None if runs else _NO_RUNS}

    def run(self, name: str, start: int = 0) -> dict[str, Any]:
        """Return the document of a run, or a message.

        Args:
            name: of the run.
            start: step from which on values are included.
        """
        tags = self._tags(name).get(name)
        if not tags:
            return {"message": _UNKNOWN}
        if any(_version(series.plugin_content) > VERSION for series in tags.values()):
            return {"message": _NEWER}
        read = self._read([name], [tag for tag in TAGS if tag in tags]).get(name, {})
        structure = _latest(read.get(STRUCTURE, ()))
        layers = structure.get("layers") if structure else None
        if structure is None or not isinstance(layers, list) or not all(map(_is_layer, layers)):
            return {"message": _NO_STRUCTURE}
        state = _latest(read.get(STATE_TAG, ()))
        rows, lost = _rows([*read.get(FIRST_STEP, ()), *read.get(STEPS, ())], len(layers))
        steps = [step for step in sorted(rows) if step >= start]
        lacks = [_LOST.format(lost, lost + len(rows))] if lost else []
        return document(
            structure,
            state or {},
            steps,
            [rows[step] for step in steps],
            run=name,
            last_step=max(_step(state or {}), *rows, 0),
            thinned=_text(state or {}, "thinned"),
            lacks=[*lacks, *([] if state else [_NO_STATE])],
        )

    def _tags(self, run: str | None = None) -> dict[str, dict[str, Any]]:
        """Return the plugin's tags by run, each with its content and last step."""
        from tensorboard.data.provider import RunTagFilter

        listed = self._provider.list_tensors(
            self._context,
            experiment_id=self._experiment,
            plugin_name=PLUGIN,
            run_tag_filter=None if run is None else RunTagFilter(runs=[run]),
        )
        found = {name: {tag: series for tag, series in tags.items() if tag in TAGS} for name, tags in listed.items()}
        return {name: tags for name, tags in found.items() if tags}

    def _read(self, runs: Sequence[str], tags: Sequence[str]) -> Mapping[str, Mapping[str, Sequence[Any]]]:
        from tensorboard.data.provider import RunTagFilter

        found: Mapping[str, Mapping[str, Sequence[Any]]] = self._provider.read_tensors(
            self._context,
            experiment_id=self._experiment,
            plugin_name=PLUGIN,
            downsample=_ALL,
            run_tag_filter=RunTagFilter(runs=runs, tags=tags),
        )
        return found


def _is_layer(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str)


def _latest(data: Sequence[Any]) -> dict[str, Any] | None:
    """Return the JSON object that was written last and can be read."""
    for datum in sorted(data, key=lambda each: each.wall_time, reverse=True):
        try:
            text = datum.numpy.item()
            found = json.loads(text if isinstance(text, str) else text.decode())
        except (ValueError, AttributeError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return None


def _rows(data: Sequence[Any], layers: int) -> tuple[dict[int, bytes], int]:
    """Return the values by step, the ones written last, and how many cannot be read."""
    rows: dict[int, bytes] = {}
    lost = 0
    for datum in sorted(data, key=lambda each: each.wall_time):
        try:
            block = datum.numpy.astype("<f4", copy=False).tobytes()
        except (ValueError, TypeError):
            block = b""
        if len(block) == size(layers):
            rows[int(datum.step)] = block
        else:
            lost += 1
    return rows, lost


def _version(content: bytes) -> int:
    """Return the version of a tag; 1 if it cannot be read, since its data is checked in any case."""
    try:
        version = json.loads(content)["version"]
    except (ValueError, KeyError, TypeError):
        return 1
    return version if isinstance(version, int) else 1


def _step(state: Mapping[str, Any]) -> int:
    step = state.get("lastStep")
    return step if isinstance(step, int) and 0 <= step <= _LAST_STEP else 0


def _text(state: Mapping[str, Any], key: str) -> str | None:
    value = state.get(key)
    return value if isinstance(value, str) else None
