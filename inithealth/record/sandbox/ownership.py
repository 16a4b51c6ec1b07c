"""Decides whether the attributes of an object are state of the model, or belong to a library.

A forward pass changes the objects of the model's own code: a memory, a schedule, statistics. Objects of other
libraries, such as a logger, a trainer or a data loader, may be in use by other threads, and are not touched.
"""

from __future__ import annotations

import argparse
import logging
import queue
import sys
import sysconfig
import threading
from collections import ChainMap, UserDict, UserList
from collections.abc import Collection, Iterable, Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# Classes of the standard library that are containers.
_CONTAINERS = (UserDict, UserList, ChainMap, SimpleNamespace, argparse.Namespace, queue.Queue)
_NEVER = (type, Enum, threading.Thread, logging.Filterer)
_LIGHTNING = frozenset({"lightning", "pytorch_lightning", "lightning_fabric"})
# The packages of torch with objects that a model changes.
_TORCH_STATE = ("torch.optim", "torch.distributions", "torch.nn")
_INSTALLED = tuple(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def packages(values: Iterable[Any]) -> frozenset[str]:
    """Return the top-level packages in which the classes of some objects are defined, without the standard library."""
    return frozenset(_root(kind) for kind in set(map(type, values))) - sys.stdlib_module_names


def owned(kind: type, own: Collection[str]) -> bool:
    """Return whether the attributes of objects of this class are state of the model.

    Args:
        own: the packages that define the classes of the model.
    """
    if issubclass(kind, _CONTAINERS):
        return True
    root = _root(kind)
    if root == "torch":
        return kind.__module__.startswith(_TORCH_STATE)
    return not _of_a_service(kind) and root != "inithealth" and (root in own or not _installed(root))


def owned_classes(kind: type, own: Collection[str]) -> Iterator[type]:
    """Yield the class and its bases, without those of libraries."""
    for each in kind.__mro__:
        root = _root(each)
        if root not in ("torch", "inithealth", *_LIGHTNING) and (root in own or not _installed(root)):
            yield each


def _of_a_service(kind: type) -> bool:
    """Return whether it is a trainer, callback, logger, dataset or loader, or never state."""
    lightning_module = any(base.__qualname__ == "LightningModule" for base in kind.__mro__)
    homes = [base.__module__ for base in kind.__mro__]
    lightning = not lightning_module and any(home.split(".")[0] in _LIGHTNING for home in homes)
    return lightning or issubclass(kind, _NEVER) or any(home.startswith("torch.utils.data") for home in homes)


def _root(kind: type) -> str:
    return str(getattr(kind, "__module__", "")).split(".")[0]


@cache
def _installed(root: str) -> bool:
    """Return whether a top-level package is of the standard library or installed, as opposed to the user's code."""
    if root == "__main__":
        return False
    if root in sys.stdlib_module_names:
        return True
    module = sys.modules.get(root)
    home = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return home is not None and any(Path(home).is_relative_to(folder) for folder in _INSTALLED)
