"""The pytest plugin: a fixture, checks without a test, and no cost if neither is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.cli.conftest import NETS

TESTS = """
import pytest
from mine.nets import Alike, Broken, Net, BATCH, loss

def test_healthy(init_health):
    assert init_health(Net(), BATCH, loss=loss).ok

def test_broken(init_health):
    init_health(Broken(), BATCH, loss=loss)

@pytest.mark.inithealth(fail_on="warning")
def test_marked(init_health):
    init_health(Alike(), BATCH, loss=loss)

def test_by_hand(init_health):
    init_health(Broken(), BATCH, loss=loss, settings={"fail_on": "never"})
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("")
    (tmp_path / "mine" / "nets.py").write_text(NETS)
    (tmp_path / "test_mine.py").write_text(TESTS)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\npythonpath = ['.']\n")
    return tmp_path


def run(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("more", [("-n0",), ("-n2",)], ids=["one process", "xdist"])
def test_the_fixture_fails_a_test_with_the_table(project: Path, more: tuple[str, ...]) -> None:
    done = run(project, *more, "--junit-xml=out.xml")
    assert "2 failed, 2 passed" in done.stdout, done.stdout
    assert "ERROR   IH101 non-finite-weights" in done.stdout
    assert "Traceback" not in done.stdout
    assert "= initialization health =" in done.stdout
    properties = [each.get("value") or "" for each in ET.parse(project / "out.xml").iter("property")]
    assert any("IH101" in value for value in properties)


@pytest.mark.slow
def test_a_target_is_checked_without_a_test(project: Path) -> None:
    (project / "test_mine.py").unlink()
    done = run(project, "--inithealth-target=mine.nets:healthy", "-n0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    both = run(project, "--inithealth-target=mine.nets:healthy", "--inithealth-target=mine.nets:broken", "-n2")
    assert both.returncode == 1
    assert "1 failed, 1 passed" in both.stdout, both.stdout
    wrong = run(project, "--inithealth-target=mine.nets:helthy", "-n0")
    assert "did you mean 'healthy'?" in wrong.stdout


MISFITS = """
import inithealth
from mine.nets import BATCH, Net, criterion

def test_fixture(init_health):
    init_health(Net(), (BATCH, BATCH))

def test_check():
    inithealth.check(Net(), BATCH, loss=criterion)
"""


@pytest.mark.slow
def test_an_invalid_call_is_shown_in_three_lines(project: Path) -> None:
    (project / "test_mine.py").write_text(MISFITS)
    done = run(project, "-n0", "-q")
    assert "2 failed" in done.stdout
    for name, shown in (("test_fixture", "init_health(Net()"), ("test_check", "inithealth.check(Net()")):
        _, rest = done.stdout.split(f" {name} ___", maxsplit=1)
        shown_lines = [line for line in rest.split("TypeError\n")[0].splitlines()[1:] if line.strip()]
        assert [line[:1] for line in shown_lines if not line.startswith("init_health =")] == [" ", ">", "E", "t"]
        assert shown in rest
    assert "site-packages" not in done.stdout
    assert "oneshot.py" not in done.stdout


@pytest.mark.slow
def test_a_target_with_a_loss_and_a_loader(project: Path) -> None:
    (project / "test_mine.py").unlink()
    words = ("--inithealth-target=mine/nets.py:Net", "--inithealth-loss=cross_entropy", "-n0")
    done = run(project, *words, "--inithealth-data=mine.nets:LOADER")
    assert done.returncode == 0, done.stdout
    assert "the batch has 1 element" in run(project, *words, "--inithealth-input=8,16").stdout


@pytest.mark.slow
def test_the_ini_file_applies_to_all_tests(project: Path) -> None:
    (project / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\npythonpath = ['.']\ninithealth_target = ['mine.nets:alike']\n"
        "[tool.inithealth]\nfail_on = 'warning'\n"
    )
    (project / "test_mine.py").unlink()
    assert run(project, "-n0").returncode == 1
    assert run(project, "-n0", "--inithealth-ignore=IH1,IH2").returncode == 0
    assert run(project, "-n0", "--inithealth-fail-on=error").returncode == 0


def test_the_plugin_costs_nothing_if_unused() -> None:
    code = (
        "import sys, inithealth.pytest_plugin\n"
        "assert not {'torch', 'pydantic', 'numpy', 'pytorch_lightning', 'inithealth.findings'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", f"import pytest\n{code}"], check=True)
