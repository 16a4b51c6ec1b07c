"""Loads an object from ``package.module:name``, ``package.module.name`` or ``path/file.py:name``."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from inithealth.cli.errors import BadInput, first_line, theirs
from inithealth.suggest import nearest, unknown


def load(name: str) -> Any:
    """Return the object with that name; for a module or file without a name, its only model. Raises BadInput."""
    place, colon, path = name.rpartition(":") if ":" in name else (name, "", "")
    if not place or (colon and not path):
        raise _no_target(name)
    if "" not in sys.path:
        sys.path.insert(0, "")  # like `python -m`: modules in the current folder can be imported
    if place.endswith(".py") or "/" in place or os.sep in place:
        found: Any = _of_file(Path(place))
    elif colon:
        found = _imported(place)
    else:
        found, path = _along(name)
    for part in filter(None, path.split(".")):
        if not hasattr(found, part):
            public = [each for each in dir(found) if not each.startswith("_")]
            raise BadInput(f"{name}: {unknown('name', part, public)}")
        found = getattr(found, part)
    return _only_model(name, found) if isinstance(found, ModuleType) else found


def _no_target(name: str) -> BadInput:
    return BadInput(
        f"{name!r} is not a target: write package.module:name, path/file.py:name, "
        "or one of timm:, torchvision:, transformers:NAME"
    )


def _along(name: str) -> tuple[ModuleType, str]:
    """Return the module at the beginning of a dotted name, and the rest of the name."""
    first, *parts = name.split(".")
    if not parts and find_spec(first) is None:
        raise _no_target(name)
    module = _imported(first)
    while parts and hasattr(module, "__path__"):
        submodule = f"{module.__name__}.{parts[0]}"
        there = isinstance(getattr(module, parts[0], None), ModuleType)
        if not there and (hasattr(module, parts[0]) or find_spec(submodule) is None):
            break
        module = _imported(submodule)
        parts.pop(0)
    return module, ".".join(parts)


def _imported(module: str) -> ModuleType:
    try:
        return theirs(f"importing {module}", importlib.import_module, module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            raise BadInput(f"no module {error.name!r} here{_near(error.name)}") from None
        raise BadInput(f"importing {module} raised {first_line(error)}") from None


def _near(module: str) -> str:
    parent, _, last = module.rpartition(".")
    folders = getattr(sys.modules.get(parent), "__path__", ()) if parent else (os.getcwd(),)
    near = nearest(last, [each.name for each in pkgutil.iter_modules(folders)])
    whole = f"{parent}.{near}" if parent else near
    return f"; did you mean {whole!r}?" if near else ": run it in the folder that holds the package"


def _of_file(path: Path) -> ModuleType:
    """Return the module of a file. In a package it has its full name, so relative imports work."""
    if not path.is_file():
        near = nearest(path.stem, [each.stem for each in path.parent.glob("*.py")])
        raise BadInput(f"no file {path}{f'; did you mean {near}.py?' if near else ' in this folder'}")
    path = path.resolve()
    folder, parts = path.parent, [path.stem] if path.stem != "__init__" else []
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))  # like `python path/file.py`: files in the same folder can be imported
    if len(parts) > 1 or not parts:
        return _imported(".".join(parts))
    for name in (path.stem, f"{path.stem}_file"):  # another module may already use the name
        loaded = sys.modules.get(name)
        if loaded is None:
            return theirs(f"importing {path.name}", _executed, name, path)
        if getattr(loaded, "__file__", None) == str(path):
            return loaded
    raise BadInput(f"{path.name}: a module with this name is already imported: rename the file")


def _executed(name: str, path: Path) -> ModuleType:
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _only_model(name: str, module: ModuleType) -> Any:
    """Return the module's only model or model class. Raises BadInput that lists the candidates."""
    models = {
        key: value
        for key, value in vars(module).items()
        if (isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__)
        or isinstance(value, nn.Module)
    }
    if len(models) == 1:
        return next(iter(models.values()))
    holds = f"holds {', '.join(models)}: write {name}:{next(iter(models))}" if models else "holds no nn.Module"
    raise BadInput(f"{name} {holds}{'' if models else f': write {name}:function for one that returns a model'}")
