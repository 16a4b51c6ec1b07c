"""Names without wrapper prefixes."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.parallel import DataParallel
from torch.nn.utils import parametrizations

from inithealth.record.layers.wrapper_prefixes import owner, parameter_names, strip, tied_names, unwrapped

# Torch's compiler uses deprecated functions of torch.
compiles = pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated")


def test_wrapper_prefixes_are_removed() -> None:
    assert strip("_orig_mod.layers.0.weight") == "layers.0.weight"
    assert strip("layers._checkpoint_wrapped_module.0._fsdp_wrapped_module.weight") == "layers.0.weight"
    assert strip("_orig_mod") == ""
    assert strip("my_orig_mod.weight") == "my_orig_mod.weight"


@compiles
def test_the_users_model_is_found_in_any_wrapper() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    assert unwrapped(model) is model
    assert unwrapped(torch.compile(model)) is model
    assert unwrapped(DataParallel(torch.compile(model))) is model


def test_a_model_with_a_submodule_called_module_is_not_unwrapped() -> None:
    model = nn.Module()
    model.module = nn.Linear(2, 2)
    assert unwrapped(model) is model


@compiles
def test_a_compiled_submodule_keeps_its_name() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1] = torch.compile(model[1])
    assert set(parameter_names(model).values()) == {"0.weight", "0.bias", "1.weight", "1.bias"}


def test_a_tied_parameter_has_its_first_name() -> None:
    model = nn.Module()
    model.embedding, model.body, model.head = nn.Embedding(5, 3), nn.Linear(3, 3), nn.Linear(3, 5, bias=False)
    model.head.weight = model.embedding.weight
    names = parameter_names(model)
    assert names[id(model.head.weight)] == "embedding.weight"
    assert sorted(names.values()) == ["body.bias", "body.weight", "embedding.weight"]
    assert tied_names(model) == {"embedding.weight": ("head.weight",)}


def test_a_shared_module_ties_all_its_parameters() -> None:
    shared = nn.Linear(2, 2)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    assert tied_names(model) == {"0.weight": ("2.weight",), "0.bias": ("2.bias",)}
    assert tied_names(nn.Linear(2, 2)) == {}


def test_a_parameter_belongs_to_its_module_or_to_itself_if_that_is_no_layer() -> None:
    model = nn.Module()
    model.body = nn.Linear(2, 2)
    model.free = nn.Parameter(torch.ones(2, 2))
    model.listed = nn.ParameterList([nn.Parameter(torch.ones(2, 2))])
    model.keyed = nn.ParameterDict({"a": nn.Parameter(torch.ones(2))})
    modules = dict(model.named_modules())
    names = [name for name, _ in model.named_parameters()]
    assert {name: owner(name, modules) for name in names} == {
        "body.weight": "body",
        "body.bias": "body",
        "free": "free",
        "listed.0": "listed.0",
        "keyed.a": "keyed.a",
    }


def test_a_parametrization_belongs_to_the_layer_it_modifies() -> None:
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(2, 2)))
    modules = dict(model.named_modules())
    assert {owner(name, modules) for name, _ in model.named_parameters()} == {"0"}
    single = parametrizations.weight_norm(nn.Linear(2, 2))
    assert owner("parametrizations.weight.original0", dict(single.named_modules())) == ""
