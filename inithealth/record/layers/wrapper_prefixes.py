"""Names of modules and parameters without wrapper prefixes."""

from __future__ import annotations

from torch import nn

# Parts of names added by compile, FSDP, checkpointing, DDP and weight parametrization.
_WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the user's model without data-parallel and compile wrappers."""
    while True:
        inner = model._modules.get("_orig_mod")
        if inner is None and type(model).__name__ in ("DistributedDataParallel", "DataParallel"):
            inner = model._modules.get("module")
        if inner is None:
            return model
        model = inner


def compiled_modules(model: nn.Module) -> frozenset[str]:
    """Return the stripped names of all modules that run compiled, given the model with its wrappers."""
    names = [strip(name) for name, _ in model.named_modules()]
    roots = {strip(name) for name, module in model.named_modules() if _is_compiled(module)}
    return frozenset(n for n in names if any(root in ("", n) or n.startswith(f"{root}.") for root in roots))


def _is_compiled(module: nn.Module) -> bool:
    # A wrapper of torch.compile, a module compiled in place, a LightningModule with a compiled training_step.
    return "_orig_mod" in module._modules or any(
        getattr(module, attribute, None) is not None for attribute in ("_compiled_call_impl", "_compiler_ctx")
    )


def strip(name: str) -> str:
    """Return a name as in the unwrapped model's ``named_modules()``."""
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def parameter_names(model: nn.Module) -> dict[int, str]:
    """Return names by ``id(parameter)``: a tied parameter's first name; without parameters flattened by FSDP1."""
    names: dict[int, str] = {}
    pieces = flattened(model)
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if id(parameter) not in pieces:
            names.setdefault(id(parameter), strip(name))
    return names


def flattened(model: nn.Module) -> frozenset[int]:
    """Return the ``id`` of each parameter that FSDP1 flattens into one tensor with others."""
    homes = [module for module in model.modules() if type(module).__name__ == "FullyShardedDataParallel"]
    return frozenset(id(parameter) for home in homes for parameter in home.parameters())


def tied_names(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """Return the other names of each tied parameter, by its first name."""
    all_names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        all_names.setdefault(id(parameter), []).append(strip(name))
    return {names[0]: tuple(names[1:]) for names in all_names.values() if len(names) > 1}


def owner(parameter: str, modules: dict[str, nn.Module]) -> str:
    """Return the module that findings on a parameter name: its owner, or the parameter if that is not a layer.

    A ParameterList and the root module are not layers. A parametrization belongs to the layer that it modifies.
    """
    if ".parametrizations." in f".{parameter}":
        return parameter.split("parametrizations.")[0].rstrip(".")
    module, _, _ = parameter.rpartition(".")
    if module == "" or isinstance(modules.get(module), (nn.ParameterList, nn.ParameterDict)):
        return parameter
    return module
