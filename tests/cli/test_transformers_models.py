"""Models of transformers by class, automatic class or model type, with the fields of a config.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from inithealth import Report
from inithealth.cli.errors import BadInput
from inithealth.cli.transformers_models import transformers_model
from tests.cli.conftest import Run

transformers = pytest.importorskip("transformers")

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 50,
}
LLAMA: dict[str, Any] = {
    **SMALL,
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "transformers_version": "4.40.0",
    "auto_map": {"AutoModelForCausalLM": "some/repository--modeling.Llama", "AutoConfig": "modeling.Config"},
}


def written(content: object) -> str:
    Path("config.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return "config.json"


@pytest.mark.parametrize(
    ("name", "fields", "kind"),
    [
        ("LlamaForCausalLM", SMALL, "LlamaForCausalLM"),
        ("LlamaForCausalLM", LLAMA, "LlamaForCausalLM"),
        ("AutoModelForCausalLM", LLAMA, "LlamaForCausalLM"),
        ("AutoModel", LLAMA, "LlamaModel"),
        ("llama", LLAMA, "LlamaModel"),
        ("llama", SMALL, "LlamaModel"),
    ],
)
def test_the_class_of_the_model(name: str, fields: dict[str, Any], kind: str) -> None:
    model = transformers_model(transformers, name, fields)
    assert (type(model).__name__, model.config.hidden_size) == (kind, 32)


@pytest.mark.parametrize("name", ["LlamaForCausalLM", "AutoModelForCausalLM", "llama"])
@pytest.mark.parametrize(
    ("dtype", "fields"),
    [
        (torch.float32, {}),
        (torch.bfloat16, {"dtype": "bfloat16"}),
        (torch.bfloat16, {"torch_dtype": "bfloat16"}),
    ],
)
def test_the_weights_have_the_dtype_of_the_configuration(name: str, dtype: torch.dtype, fields: dict[str, str]) -> None:
    model = transformers_model(transformers, name, {**LLAMA, **fields})
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    assert torch.get_default_dtype() is torch.float32


@pytest.mark.parametrize(
    ("name", "fields", "says"),
    [
        ("LlamaForCausallM", {}, "unknown model of transformers 'LlamaForCausallM'; did you mean 'LlamaForCausalLM'"),
        ("BertModel", LLAMA, "transformers:BertModel needs a configuration of model_type 'bert', not 'llama'"),
        ("bert", LLAMA, "transformers:bert needs a configuration of model_type 'bert', not 'llama'"),
        (
            "AutoModelForCausalLM",
            SMALL,
            "AutoModelForCausalLM needs model_type: add --arg model_type=llama, or --model",
        ),
        ("AutoModelForCausalLM", {"model_type": "lama"}, "unknown model type of transformers 'lama'; did you mean"),
        ("AutoModelForCausalLM", {"model_type": ["llama"]}, "unknown model type of transformers"),
        ("AutoModelForCausalLM", {"model_type": "vit"}, "has no model for a configuration of model_type 'vit'"),
        ("LlamaConfig", {}, "transformers:LlamaConfig is not a class of models"),
        (
            "LlamaForCausalLM",
            {"hidden_size": "wide"},
            "LlamaForCausalLM does not accept the configuration: .*hidden_siz",
        ),
    ],
)
def test_a_configuration_that_does_not_fit(name: str, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says) as caught:
        transformers_model(transformers, name, fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("target", [(), ("transformers:LlamaForCausalLM",), ("transformers:AutoModelForCausalLM",)])
def test_a_configuration_file_of_transformers(target: tuple[str, ...], run: Run) -> None:
    words = ("--model-config", written(LLAMA), "--arg", "hidden_size=48", "--input", "2,8:int64")
    done = run("check", *target, *words, "--output-format", "json")
    assert done.status in (0, 1), done.err
    report = Report.from_json(done.out)
    assert any("(50, 48)" in str(layer) or "50x48" in str(layer) for layer in report.layers), report.layers


def test_nothing_in_a_configuration_file_of_transformers_is_instantiated(run: Run) -> None:
    config = written({**LLAMA, "more": {"class_path": "mine.nets.raises"}})
    assert run("check", "--model-config", config, "--input", "2,8:int64").status in (0, 1)


@pytest.mark.parametrize(
    ("words", "content", "says"),
    [
        (("transformers:AutoModelForCausalLM",), SMALL, "AutoModelForCausalLM needs model_type"),
        (("transformers:BertModel",), LLAMA, "needs a configuration of model_type 'bert', not 'llama'"),
        ((), {**LLAMA, "architectures": ["Llama9"]}, "unknown model of transformers 'Llama9'"),
        ((), {"model_type": "llama"}, "no model: give TARGET, or --model-config with class_path, _target_ or architec"),
        (("mine.nets:Words",), LLAMA, "mine.nets:Words: unknown argument"),
        (("transformers:LlamaForCausalLM",), "{", "config.json is not valid YAML"),
    ],
)
def test_an_invalid_configuration_file(words: tuple[str, ...], content: object, says: str, run: Run) -> None:
    done = run("check", *words, "--model-config", written(content))
    assert done.status == 2
    assert says in done.error


def test_a_missing_configuration_file(run: Run) -> None:
    done = run("check", "transformers:LlamaForCausalLM", "--model-config", "none.json")
    assert done.error == "none.json cannot be read: No such file or directory"
