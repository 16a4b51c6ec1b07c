"""The cost of `import inithealth`, its public names, and the content of its wheel."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import inithealth

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "pytorch_lightning", "lightning", "pydantic", "pydantic_core", "tensorboard", "numpy", "PIL", "rich"}


def modules_after(code: str) -> set[str]:
    """Return the top-level names of the modules that a new interpreter has loaded after running the code."""
    program = f"import json, sys\n{code}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_it_loads_nothing_heavy() -> None:
    assert not modules_after("import inithealth; dir(inithealth); inithealth.__version__") & HEAVY


def test_a_public_name_loads_its_module_when_first_used() -> None:
    loaded = modules_after("import inithealth\ninithealth.Report")
    assert "pydantic" in loaded
    without = {"torch", "pytorch_lightning", "lightning", "rich"}
    assert not loaded & without  # a report can be read without torch


@pytest.mark.parametrize("name", inithealth.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(inithealth, name).__name__ == name
    assert name in dir(inithealth)


def test_public_names_are_documented() -> None:
    documented = "Call Finding InitHealth Initialization Monitor Report Rule Settings Severity UnhealthyInit check "
    documented += "initialization watch"
    assert inithealth.__all__ == documented.split()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        inithealth.chekc  # noqa: B018  the access itself is under test


def test_the_wheel_contains_only_the_package(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    source = (file for file in (ROOT / "inithealth").rglob("*") if file.is_file() and file.suffix != ".pyc")
    assert packed == {file.relative_to(ROOT).as_posix() for file in source}
    assert "inithealth/py.typed" in packed
    assert wheel.name.startswith(f"inithealth-{inithealth.__version__}-")
