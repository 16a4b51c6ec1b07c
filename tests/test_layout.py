"""Imports go from higher floors to lower ones, without cycles; a file is one idea and has its tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "inithealth"
# From the top. A module imports from its own floor and from lower ones. Unlisted modules are on the lowest floor.
FLOORS = (
    ("integrations", "cli", "pytest_plugin", "factory", "__main__", "__init__"),
    ("sessions",),
    ("judge", "settings", "configuration"),
    ("report", "page", "tensorboard", "console"),
    ("rules",),
    ("planning",),
    ("evidence",),
    ("record",),
    ("theory",),
)
RECORD_FLOORS = (
    ("step_meter", "paged"),
    ("recorder",),
    ("network",),
    ("live", "sandbox"),
    ("layers",),
    ("saved",),
    ("graph", "statistics"),
)
# `Report.__str__`, `summary`, `to_html`, `_repr_html_`, `compare` and `apply` import the code that they call when they
# are called.
_OF_REPORT = ("terminal", "summary", "notebook", "formats.html", "compare.comparison")
LAZY = tuple(("inithealth.findings", f"inithealth.report.{text}") for text in _OF_REPORT)
LAZY += (("inithealth.findings", "inithealth.sessions.applying"),)
# Inside `record` everything may be imported; outside it only these modules and packages.
DOORS = ("recorder", "step_meter", "tensors", "sandbox", "live.optimizers", "live.probation", "live.picklable_hook")
DOORS += ("live.distributed", "live.guarded", "live.scripting", "live.step_laws", "live.updates", "layers.class_source")
DOORS += ("failures", "quiet", "paged")
# Modules without their own test file: the file that tests them, or the reason.
WITHOUT_TEST = {
    "integrations.manual_steps": "tests/integrations/test_lightning_callback.py",
    "integrations.state_keys": "tests/hostile/test_callbacks.py",
    "integrations.watched_run": "tests/integrations/test_lightning_callback.py",
    "record.containers": "tests/hostile/test_walkers.py",
    "record.live.guarded": "tests/hostile/test_guard.py",
    "record.live.scripting": "tests/hostile/test_tracing.py",
    "record.live.tracing": "tests/hostile/test_tracing.py",
    "sessions.fix_trials": "tests/sessions/test_verification.py",
    "sessions.forward_passes": "tests/sessions/test_monitor.py",
    "sessions.watched_steps": "tests/sessions/test_monitor.py",
    "__main__": "tests/cli/test_demonstration.py",
    "evidence.init_weights": "tests/report/test_init_function.py",
    "severity": "tests/test_findings.py",
    "cli.building": "tests/cli/test_check.py",
    "cli.diff": "tests/cli/test_report.py",
    "cli.explaining": "tests/cli/test_check.py",
    "cli.main": "tests/cli/test_check.py",
    "evidence.peer_scale": "tests/rules/weights/test_weight_scale.py",
    "evidence.statements": "tests/evidence/test_fixes.py",
    "layer_kinds": "names alone",
    "layer_uses": "names alone",
    "record.graph.activation_nodes": "tests/record/graph/test_unjudged.py",
    "record.live.first_step_stats": "tests/record/live/test_observer.py",
    "record.live.step_buffer": "fields alone",
    "report.source.built_layers": "tests/report/source/test_edits.py",
    "report.source.constructors": "tests/report/source/test_edits.py",
    "report.planned_fixes": "tests/sessions/test_applying.py",
    "report.source.code": "tests/report/source/test_edits.py",
    "report.source.diff": "tests/report/source/test_edits.py",
    "report.source.files": "tests/report/source/test_edits.py",
    "report.source.place": "fields alone",
    "report.source.writers": "tests/report/source/test_edits.py",
    "report.source.syntax": "tests/report/source/test_edits.py",
    "recorded_graph": "fields alone",
    "recorded_loss": "fields alone",
    "recorded_run": "fields alone",
    "sessions.first_step": "tests/sessions/test_lightning_module.py",
    "sessions.manual_optimization": "tests/sessions/test_objective.py",
    "record.layers.weight_use": "tests/record/layers/test_describe.py",
    "record.paged.backward": "tests/sessions/test_paged.py",
    "record.paged.steps": "tests/sessions/test_paged.py",
    "record.paged.stored_weights": "tests/sessions/test_paged.py",
    "record.paged.address_space": "tests/record/paged/test_pages.py",
    "sessions.paged_pass": "tests/sessions/test_paged.py",
    "sessions.paged_progress": "tests/sessions/test_paged.py",
    "sessions.request": "tests/sessions/test_oneshot.py",
    "sessions.stand_in_trainer": "tests/sessions/test_lightning_module.py",
    "sessions.watching": "tests/sessions/test_monitor.py",
    "theory.activation_row": "tests/theory/test_activation_table.py",
    "theory.elementwise": "tests/theory/test_activations.py",
}


TESTS = Path(__file__).parent


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}


def imports(path: Path) -> Iterator[str]:
    """Yield the package's modules that a file imports, also inside functions, but not only for type checking."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in typing_only or not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        base = node.module if isinstance(node, ast.ImportFrom) and node.module else ""
        for alias in node.names:
            whole = f"{base}.{alias.name}".lstrip(".")
            found = whole if whole in MODULES else base
            if found in MODULES:
                yield found


ARROWS = [(name, other) for name, path in MODULES.items() for other in imports(path) if (name, other) not in LAZY]


def floor(name: str, floors: tuple[tuple[str, ...], ...], depth: int) -> int:
    part = [*name.split("."), "", ""][depth] or "__init__"
    return next((place for place, names in enumerate(floors) if part in names), len(floors))


def test_no_module_imports_from_a_higher_floor() -> None:
    assert [pair for pair in ARROWS if floor(pair[0], FLOORS, 1) > floor(pair[1], FLOORS, 1)] == []


def test_no_module_in_record_imports_from_a_higher_floor() -> None:
    inside = [pair for pair in ARROWS if all(each.startswith("inithealth.record.") for each in pair)]
    assert [pair for pair in inside if floor(pair[0], RECORD_FLOORS, 2) > floor(pair[1], RECORD_FLOORS, 2)] == []


def test_there_is_no_import_cycle() -> None:
    sorter = TopologicalSorter({name: {other for one, other in ARROWS if one == name} for name in MODULES})
    try:
        sorter.prepare()
    except CycleError as error:
        pytest.fail(f"circle: {' -> '.join(error.args[1])}")


def test_internal_modules_of_record_are_not_imported_elsewhere() -> None:
    inner = [pair for pair in ARROWS if pair[1].startswith("inithealth.record.")]
    outside = [pair for pair in inner if not pair[0].startswith("inithealth.record")]
    doors = tuple(f"inithealth.record.{door}" for door in DOORS)
    assert [pair for pair in outside if not pair[1].startswith(doors)] == []


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_file_is_one_idea(name: str) -> None:
    text = MODULES[name].read_text(encoding="utf-8")
    assert text.count("\n") <= 220
    functions = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    assert [each.name for each in functions if (each.end_lineno or 0) - each.lineno > 50] == []


@pytest.mark.parametrize("name", [name for name, path in MODULES.items() if path.name == "__init__.py"])
def test_a_package_has_a_docstring(name: str) -> None:
    assert ast.get_docstring(ast.parse(MODULES[name].read_text(encoding="utf-8")))


def test_each_module_has_its_test_file_or_a_reason() -> None:
    files = [path for path in MODULES.values() if path.name != "__init__.py"]
    tested = {path: TESTS / path.relative_to(PACKAGE).with_name(f"test_{path.name}") for path in files}
    missing = {name_of(path).removeprefix("inithealth.") for path, test in tested.items() if not test.is_file()}
    assert missing == WITHOUT_TEST.keys()


@pytest.mark.parametrize("reason", [reason for reason in WITHOUT_TEST.values() if reason.startswith("tests/")])
def test_listed_test_files_exist(reason: str) -> None:
    assert (TESTS.parent / reason).is_file()
