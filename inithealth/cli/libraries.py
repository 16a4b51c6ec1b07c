"""Models of well-known libraries, given by name, with random weights and a function that makes a random batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import torch
from torch import nn

from inithealth.cli.errors import BadInput
from inithealth.cli.transformers_models import transformers_model
from inithealth.suggest import unknown

_BATCH = 8
_PICTURE = (3, 224, 224)
Made = tuple[nn.Module, Callable[[], Any]]  # a model, and a function that makes its batch


def _needed(name: str) -> Any:
    """Return the library. Raises BadInput if it is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise BadInput(f"{name} is not installed: pip install {name}") from None


def _timm(name: str, arguments: Mapping[str, Any]) -> Made:
    timm = _needed("timm")
    if not timm.is_model(name):
        raise BadInput(unknown("model of timm", name, timm.list_models()))
    model: nn.Module = timm.create_model(name, **{"pretrained": False, **arguments})
    size = getattr(model, "default_cfg", {}).get("input_size", _PICTURE)
    return model, lambda: torch.randn(_BATCH, *size)


def _torchvision(name: str, arguments: Mapping[str, Any]) -> Made:
    models = _needed("torchvision").models
    if name not in models.list_models():
        raise BadInput(unknown("model of torchvision", name, models.list_models()))
    size = (3, 299, 299) if name == "inception_v3" else _PICTURE
    alone = {"weights_backbone": None} if _has_backbone(name) else {}  # otherwise its weights are downloaded
    model = models.get_model(name, **{"weights": None, **alone, **arguments})
    return model, lambda: torch.randn(_BATCH, *size)


def _has_backbone(name: str) -> bool:
    return any(part in name for part in ("rcnn", "retinanet", "fcos", "ssd", "deeplab", "fcn", "lraspp"))


def _transformers(name: str, arguments: Mapping[str, Any]) -> Made:
    model = transformers_model(_needed("transformers"), name, arguments)
    return model, lambda: dict(model.dummy_inputs)  # type: ignore[arg-type]


MAKERS: Mapping[str, Callable[[str, Mapping[str, Any]], Made]] = {
    "timm": _timm,
    "torchvision": _torchvision,
    "transformers": _transformers,
}
