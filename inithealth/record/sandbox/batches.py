"""Moves and names the tensors of a batch, and rejects batches that cannot be judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from inithealth.record.containers import tensors_in
from inithealth.record.containers import transferred as transferred
from inithealth.record.layers.wrapper_prefixes import unwrapped
from inithealth.record.tensors import is_sharded, plain

__tracebackhide__ = True  # pytest shows the line that calls `check`, not these


def named_tensors(value: Any, name: str = "batch") -> Iterator[tuple[str, Tensor]]:
    """Yield the floating-point tensors of a batch by name: ``batch[0]``, ``batch['image']``, ``batch.image``."""
    for place, tensor in tensors_in(value, name):
        if tensor.is_floating_point() and tensor.layout == torch.strided and not tensor.is_nested:
            yield place, tensor


def fresh(payload: Any, copies: dict[int, Tensor] | None = None) -> Any:
    """Return the batch with copies of its tensors, because the model may change its input in place.

    Args:
        copies: by the ``id`` of the tensor; new ones are added. The same tensor twice stays one tensor.
    """
    made = {} if copies is None else copies

    def copied(tensor: Tensor) -> Tensor:
        if id(tensor) not in made:
            made[id(tensor)] = tensor.detach().clone().requires_grad_(True) if _is_leaf(tensor) else tensor.clone()
        return made[id(tensor)]

    return transferred(payload, copied)


def _is_leaf(tensor: Tensor) -> bool:
    return tensor.is_leaf and tensor.requires_grad


def revealed(payload: Any) -> tuple[Any, dict[str, Tensor]]:
    """Return the batch with its floating-point tensors in the autograd graph, and their leaves by name."""
    leaves: dict[str, Tensor] = {}
    shown: dict[int, Tensor] = {}  # the same tensor twice stays one tensor
    for name, tensor in named_tensors(payload):
        if id(tensor) not in shown and not tensor.requires_grad and not is_mask(tensor):
            leaves[name] = tensor.detach().clone().requires_grad_(True)
            shown[id(tensor)] = leaves[name].clone()  # not a leaf, because the model may change its input in place
    return transferred(payload, lambda tensor: shown.get(id(tensor), tensor)), leaves


def is_mask(tensor: Tensor) -> bool:
    """Return whether it is an additive attention mask: zeros, and minus infinity or very low numbers."""
    values = plain(tensor)
    if values is None:
        return False
    low = values <= -1e4
    return bool(low.any()) and bool((low | (values == 0)).all())


def trainable_model(model: Any) -> nn.Module:
    """Return the model without its wrappers. Raises TypeError or ValueError if it cannot be judged."""
    if not isinstance(model, nn.Module):
        word = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise TypeError(f"model must be a torch.nn.Module, not {word}")
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError("a scripted module does not support hooks: check the module that it was scripted from")
    found = unwrapped(model)
    parameters = list(found.named_parameters())
    lazy = [name for name, p in parameters if isinstance(p, nn.parameter.UninitializedParameter)]
    if lazy:
        raise ValueError(f"{lazy[0]} is an uninitialized lazy parameter: run one batch first")
    if not parameters:
        hint = " (if configure_model or setup creates the layers, call it first)"
        later = hint if hasattr(found, "configure_model") else ""
        raise ValueError(f"{type(found).__name__} has no parameters: there is no initialization to judge{later}")
    meta = [name for name, p in parameters if p.is_meta]
    if meta:
        raise ValueError(f"{meta[0]} is on the meta device and has no values: materialize and initialize it first")
    if any(p.is_inference() for _, p in parameters):
        raise ValueError("the parameters were created under torch.inference_mode: create them outside to train them")
    if not any(p.requires_grad for _, p in parameters):
        raise ValueError("every parameter is frozen (requires_grad=False): there is no training to judge")
    return found


def refuse_sharded(model: nn.Module) -> None:
    """Raise ValueError for sharded parameters: the graph of the gradients has the gathered ones only."""
    sharded = [name for name, parameter in model.named_parameters() if is_sharded(parameter)]
    if sharded:
        raise ValueError(
            f"{sharded[0]} is sharded over processes: check the model before fully_shard, or watch its training with "
            "InitHealth"
        )


def refuse_batch(batch: Any) -> None:
    """Raise ValueError if there is no batch, TypeError if it is a loader."""
    if batch is None or (isinstance(batch, (tuple, list, dict)) and not batch):
        raise ValueError("no batch: pass what the model is called with, a tensor, tuple, mapping or inithealth.Call")
    if isinstance(batch, (DataLoader, Dataset, Iterator)):
        advice = "DataLoader(dataset, batch_size=32)" if isinstance(batch, Dataset) else "next(iter(loader))"
        raise TypeError(f"batch is a {type(batch).__name__}, not one batch: pass {advice}")


def refuse_values(payload: Any) -> None:
    """Raise ValueError if a tensor of the batch is empty or not finite."""
    for name, tensor in named_tensors(payload):
        if tensor.numel() == 0:
            raise ValueError(f"{name} is empty (shape {tuple(tensor.shape)}): pass a batch with samples in it")
        values = plain(tensor)
        if values is not None and not bool(values.isfinite().all()) and not is_mask(values):
            count = int((~values.isfinite()).sum())
            raise ValueError(
                f"{name} has {count} NaN or infinite of {tensor.numel()} elements: the input is broken, not the "
                "network; look into the Dataset and its normalization (a standard deviation of 0?)"
            )


def refuse_constant(inputs: Any, *, with_labels: bool) -> None:
    """Raise ValueError if all inputs are constant, because they do not show what a network does to its inputs.

    Args:
        with_labels: whether vectors of integers among the inputs are labels, which are ignored.
    """
    tensors: list[Tensor] = []

    def noted(tensor: Tensor) -> Tensor:
        tensors.append(tensor)
        return tensor

    transferred(inputs, noted)
    judged = [t for t in tensors if t.is_floating_point() or not (with_labels and t.ndim < 2)]
    judged = [t for t in judged if t.numel() > 1 and not is_mask(t)]
    if judged and all(map(_is_constant, judged)):
        value, shape = judged[0].flatten()[0].item(), tuple(judged[0].shape)
        raise ValueError(
            f"every input is constant ({value:g} in all of shape {shape}), which shows nothing of what the network "
            "does to different inputs: pass a batch of the data, or torch.randn of that shape"
        )


def _is_constant(tensor: Tensor) -> bool:
    if tensor.layout is not torch.strided or tensor.is_nested or tensor.is_meta:
        return False
    values = plain(tensor) if tensor.is_floating_point() else tensor  # fp8 cannot be compared
    return values is not None and bool((values == values.flatten()[0]).all())
