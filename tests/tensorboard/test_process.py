"""A real TensorBoard process on loopback: the tab's endpoints, with the fast and with the Python data server."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from tests.tensorboard.test_tab_data import STRUCTURED, trained, written

pytestmark = pytest.mark.slow
WAIT = 120  # seconds for a start on a busy machine


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--port", str(port), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: get(f"{address}/data/plugins_listing"))
        yield f"{address}/data/plugin/init_health"
    finally:
        process.terminate()
        process.wait(WAIT)


def get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=WAIT) as answer:
        return json.loads(answer.read())


def wait_for(ready: Any) -> Any:
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        try:
            if found := ready():
                return found
        except (URLError, ConnectionError):
            pass
        time.sleep(0.3)
    raise TimeoutError


@pytest.mark.parametrize("options", [("--load_fast=false",), ("--load_fast=true",), ("--reload_multifile=true",)])
def test_the_runs_are_served_completely(tmp_path: Path, options: tuple[str, ...]) -> None:
    trained(tmp_path / "one", steps=12)
    written(tmp_path / "broken", "init_health/structure", "{")
    written(tmp_path / "newer", "init_health/structure", STRUCTURED, b'{"version":9}')
    with serving(tmp_path, *options) as address:
        listed = wait_for(lambda: (found := get(f"{address}/runs")) and len(found["runs"]) == 3 and found)
        assert [each["run"] for each in listed["runs"]] == ["broken", "newer", "one"]
        assert get(f"{address}/run?run=one")["steps"] == list(range(10))
        assert "cannot be read" in get(f"{address}/run?run=broken")["message"]
        assert "newer version" in get(f"{address}/run?run=newer")["message"]


def test_a_directory_of_fifty_runs(tmp_path: Path) -> None:
    trained(tmp_path / "run00", steps=2)
    [file] = (tmp_path / "run00").iterdir()
    for number in range(1, 50):
        (tmp_path / f"run{number:02}").mkdir()
        (tmp_path / f"run{number:02}" / file.name).write_bytes(file.read_bytes())
    with serving(tmp_path) as address:
        listed = wait_for(lambda: (found := get(f"{address}/runs")) and len(found["runs"]) == 50 and found)
        assert {each["verdict"] for each in listed["runs"]} == {"healthy"}
