"""Measures one network in a process of its own."""

from __future__ import annotations

import os
import signal
import warnings
from typing import Any

import torch

from .chosen import Chosen
from .measured import measured

MOST_SECONDS = 600  # of wall clock


def quiet() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"


def piece(net: Chosen, steps: int, seconds: float) -> tuple[str, dict[str, Any]]:
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(MOST_SECONDS)
    try:
        return net.name, measured(net, steps, seconds)
    except Exception as error:  # an error of the network's code, or too slow: the table lists it
        return net.name, {"broken": f"{type(error).__name__}: {error}"}
    finally:
        signal.alarm(0)


def _too_long(number: int, frame: object) -> None:
    raise TimeoutError(f"not done after {MOST_SECONDS} s")
