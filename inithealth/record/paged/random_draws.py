"""Random numbers that depend only on the operation and the piece, not on what else was drawn before.

The seed of an operation is a hash of its generator's state. Each logged draw advances the generator by one number, as a
real draw would by many: the next draw has another seed, and setting the seed again repeats the values.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

PIECE = 2**20  # elements
_BLOCK = 2**16  # elements drawn at a time
_NORMAL = torch.ops.aten.normal_.default
_LOCK = threading.Lock()  # for operations that draw from the global generator only


def drawn_seed(generator: torch.Generator | None) -> int:
    """Return the seed of a draw from a generator, or from the default one, and advance the generator."""
    used = torch.default_generator if generator is None else generator
    with _disable_current_modes(), torch._C.DisableTorchFunction():
        state = used.get_state().numpy().tobytes()
        torch.empty(1, dtype=torch.float32, device=used.device).uniform_(generator=used)
    return _hashed(state)


def generator_of(seed: int, piece: int = 0) -> torch.Generator:
    """Return the generator of one piece of a draw."""
    generator = torch.Generator()
    generator.manual_seed(_hashed(f"{seed}/{piece}".encode()))
    return generator


def pieces_of(numel: int) -> int:
    """Return the number of pieces of a draw."""
    return max(1, -(-numel // PIECE))


def draw_piece(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], seed: int, at: int) -> None:
    """Run an in-place draw on one piece, which is the first argument."""
    kwargs = {**kwargs, "generator": generator_of(seed, at)}
    if function is _NORMAL and args[0].is_contiguous():
        _draw_normal(args[0].view(-1), args[1:], kwargs)
    else:
        function(*args, **kwargs)


def _draw_normal(piece: Tensor, numbers: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Draw in blocks that fit in a core's cache: the same numbers, 1.5 times as fast; half precision in fp32."""
    half = piece.dtype in (torch.float16, torch.bfloat16)
    drawn = torch.empty(min(_BLOCK, len(piece))) if half else None
    for block in piece.split(_BLOCK):
        if drawn is None:
            _NORMAL(block, *numbers, **kwargs)
        else:
            block.copy_(_NORMAL(drawn[: len(block)], *numbers, **kwargs))


def draw_in_place(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], seed: int) -> None:
    """Run an in-place draw on a tensor, which is the first argument, piece by piece where its memory allows it."""
    tensor: Tensor = args[0]
    if not tensor.is_contiguous():
        draw_piece(function, args, kwargs, seed, 0)
        return
    for at, piece in enumerate(tensor.view(-1).split(PIECE)):
        draw_piece(function, (piece, *args[1:]), kwargs, seed, at)


def draw_new(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], seed: int) -> Any:
    """Run any other random operation of torch, with a generator of its own."""
    overload = with_generator(function)
    if overload is not None:
        return overload(*args, **{**kwargs, "generator": generator_of(seed)})
    with _LOCK, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return function(*args, **kwargs)


def with_generator(function: Any) -> Any:
    """Return the overload of an operation that takes a generator and otherwise the same arguments, or None."""
    names = _names(function)
    if "generator" in names:
        return function
    packet = function.overloadpacket
    overloads = [getattr(packet, name) for name in packet.overloads()]
    return next((each for each in overloads if _names(each) - {"generator"} == names != _names(each)), None)


def _names(function: Any) -> set[str]:
    return {argument.name for argument in function._schema.arguments}


def _hashed(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") >> 1
