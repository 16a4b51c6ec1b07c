"""The plugin: it is cheap for everyone, serves the page, and answers with a sentence if something fails."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.test import Client

from inithealth.tensorboard.plugin import Loader, Plugin

# A library inside TensorBoard, when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore:html5lib's sanitizer is deprecated:DeprecationWarning")
HEAVY = {"torch", "pytorch_lightning", "lightning", "pydantic", "pydantic_core", "rich", "transformers"}


class Provider:
    """A data provider with the given tensors, or one that fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def list_tensors(self, *args: Any, **more: Any) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        return {}


def answer(path: str, provider: Provider) -> Any:
    response = Client(Plugin(SimpleNamespace(data_provider=provider)).get_plugin_apps()[path.split("?")[0]]).get(path)
    assert response.status_code == 200
    return response


def modules_after(code: str) -> set[str]:
    program = f"import json, sys\n{code}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_tensorboard_finds_it() -> None:
    [found] = [each for each in entry_points(group="tensorboard_plugins") if each.name == "init_health"]
    assert found.load() is Loader


def test_it_imports_nothing_heavy_and_nothing_that_tensorboard_does_not() -> None:
    before = "from tensorboard.plugins import base_plugin"
    load = "import types\nfrom inithealth.tensorboard.plugin import Loader\n"
    load += "Loader().fix_flags(types.SimpleNamespace(samples_per_plugin={}))\n"
    load += "Loader().load(types.SimpleNamespace(data_provider=object())).frontend_metadata()"
    loaded = modules_after(f"{before}\n{load}")
    assert not loaded & HEAVY
    assert loaded - modules_after(f"{before}\nimport __future__, importlib, logging, types, typing") == {"inithealth"}


def test_it_decodes_events_without_torch_and_pydantic() -> None:
    loaded = modules_after("import inithealth.tensorboard.tab_data, inithealth.page.document")
    assert not loaded & HEAVY


def test_all_steps_are_kept_unless_the_user_says_otherwise() -> None:
    for given, kept in (({}, 0), ({"init_health": 7}, 7)):
        flags = argparse.Namespace(samples_per_plugin=dict(given))
        Loader().fix_flags(flags)
        assert flags.samples_per_plugin["init_health"] == kept
    Loader().fix_flags(argparse.Namespace())
    assert Loader().load(SimpleNamespace()) is None


def test_the_page_is_a_script_and_the_tab_has_a_name() -> None:
    response = answer("/index.js", Provider())
    assert response.content_type.startswith("text/javascript")
    assert "render" in response.text
    metadata = Plugin(SimpleNamespace(data_provider=Provider())).frontend_metadata()
    assert (metadata.es_module_path, metadata.tab_name) == ("/index.js", "Init Health")


def test_an_empty_directory_is_a_sentence() -> None:
    assert answer("/runs", Provider()).json["runs"] == []
    assert "no run of this name" in answer("/run?run=a&from=x", Provider()).json["message"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), MemoryError()], ids=repr)
def test_an_error_is_a_sentence(error: Exception) -> None:
    for path in ("/runs", "/run?run=a"):
        assert type(error).__name__ in answer(path, Provider(error)).json["message"]
