"""Models of well-known libraries by name."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from inithealth.cli.errors import BadInput
from inithealth.cli.libraries import MAKERS


def installed(monkeypatch: pytest.MonkeyPatch, name: str, **contents: Any) -> None:
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(**contents))  # type: ignore[arg-type]


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_a_missing_library(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(BadInput, match=f"{library} is not installed: pip install {library}"):
        MAKERS[library]("resnet18", {})


def test_a_timm_model_gets_images_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def create(name: str, *, pretrained: bool) -> nn.Module:
        assert not pretrained
        model = nn.Linear(2, 2)
        if name == "small":
            model.default_cfg = {"input_size": (3, 32, 32)}  # type: ignore[assignment]
        return model

    names = ["small", "plain"]
    installed(monkeypatch, "timm", is_model=names.__contains__, list_models=lambda: names, create_model=create)
    assert MAKERS["timm"]("small", {})[1]().shape == (8, 3, 32, 32)
    assert MAKERS["timm"]("plain", {})[1]().shape == (8, 3, 224, 224)
    with pytest.raises(BadInput, match="unknown model of timm 'smal'; did you mean 'small'"):
        MAKERS["timm"]("smal", {})


@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("resnet18", 224, {"weights": None}),
        ("inception_v3", 299, {"weights": None}),
        ("fasterrcnn", 224, {"weights": None, "weights_backbone": None}),
    ],
)
def test_a_torchvision_model_downloads_nothing(
    name: str, size: int, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def get_model(name: str, **given: Any) -> nn.Module:
        asked.update(given)
        return nn.Linear(2, 2)

    models = SimpleNamespace(list_models=lambda: ["resnet18", "inception_v3", "fasterrcnn"], get_model=get_model)
    installed(monkeypatch, "torchvision", models=models)
    assert MAKERS["torchvision"](name, {})[1]().shape == (8, 3, size, size)
    assert asked == options
    with pytest.raises(BadInput, match="did you mean 'resnet18'"):
        MAKERS["torchvision"]("resnet81", {})


def test_a_transformers_model_has_its_own_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    class Model(nn.Module):
        config_class = dict
        dummy_inputs = {"input_ids": torch.arange(3)}  # noqa: RUF012
        _from_config = staticmethod(lambda config: Model())

    installed(monkeypatch, "transformers", BertModel=Model, CONFIG_MAPPING={})
    model, make_batch = MAKERS["transformers"]("BertModel", {})
    assert isinstance(model, Model)
    assert make_batch()["input_ids"].tolist() == [0, 1, 2]
