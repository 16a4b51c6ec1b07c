"""Safetensors files: the values, and every kind of invalid file."""

from __future__ import annotations

import json
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch

from inithealth.record.paged import shard
from inithealth.record.paged.shard import DTYPES, tensors_of

WORDS = {dtype: word for word, dtype in DTYPES.items()}


def written(path: Path, tensors: dict[str, torch.Tensor], **metadata: Any) -> Path:
    """Write tensors in the format of safetensors."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, tensor in tensors.items():
        values = bytes(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())
        offsets = [len(data), len(data) + len(values)]
        header[name] = {"dtype": WORDS[tensor.dtype], "shape": list(tensor.shape), "data_offsets": offsets}
        data += values
    return raw(path, json.dumps(header).encode(), data)


def raw(path: Path, header: bytes, data: bytes = b"") -> Path:
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def entry(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=list(DTYPES))
def test_values_of_every_dtype_are_read_exactly(dtype: torch.dtype, tmp_path: Path) -> None:
    values = torch.arange(12).reshape(3, 4).remainder(2 if dtype is torch.bool else 12).to(dtype)
    [stored] = tensors_of(written(tmp_path / "x.safetensors", {"a": values}, format="pt")).values()
    target = torch.zeros(3, 4, dtype=dtype)
    stored.read(target)
    assert bytes(target.view(torch.uint8).numpy()) == bytes(values.view(torch.uint8).numpy())


def test_the_library_writes_what_is_read(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.torch")
    tensors = {"b": torch.randn(5, 3).bfloat16(), "a": torch.randn(()), "none": torch.zeros(0, 3), "c": torch.arange(7)}
    library.save_file(tensors, tmp_path / "x.safetensors", {"format": "pt"})
    found = tensors_of(tmp_path / "x.safetensors")
    assert found.keys() == tensors.keys()
    for name, stored in found.items():
        target = torch.empty_like(tensors[name])
        stored.read(target)
        assert torch.equal(target, tensors[name])


@pytest.mark.parametrize("piece", [8, 24, 4096])
@pytest.mark.parametrize("shape", [(), (11,), (5, 7), (2, 3, 4), (2, 30)])
def test_pieces_and_conversions(
    piece: int, shape: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "_PIECE", piece)
    values = torch.randn(shape)
    stored = tensors_of(written(tmp_path / "x.safetensors", {"before": torch.ones(3), "a": values}))["a"]
    converted = torch.empty(shape, dtype=torch.bfloat16)
    turned = torch.empty(shape[::-1]).permute(tuple(reversed(range(len(shape)))))
    stored.read(converted)
    stored.read(turned)
    assert torch.equal(converted, values.bfloat16())
    assert torch.equal(turned, values)


def test_a_parameter_keeps_its_version(tmp_path: Path) -> None:
    stored = tensors_of(written(tmp_path / "x.safetensors", {"a": torch.ones(4)}))["a"]
    target = torch.nn.Parameter(torch.zeros(4))
    stored.read(target)
    assert (target.sum().item(), target._version) == (4.0, 0)


def test_a_conversion_holds_one_piece_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "_PIECE", 2**12)
    stored = tensors_of(written(tmp_path / "x.safetensors", {"a": torch.ones(2**20)}))["a"]
    target, sizes = torch.empty(2**20, dtype=torch.float16), []
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda size, **more: sizes.append(size) or empty(size, **more))
    tracemalloc.start()
    stored.read(target)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sizes == [2**12]
    assert peak < 2**18
    assert bool((target == 1).all())


def test_several_threads_read_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "_PIECE", 2**10)
    tensors = {str(number): torch.full((3000,), float(number)) for number in range(8)}
    found = tensors_of(written(tmp_path / "x.safetensors", tensors))
    targets = {name: torch.empty(3000) for name in tensors}
    threads = [threading.Thread(target=found[name].read, args=(targets[name],)) for name in tensors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(targets[name], tensors[name]) for name in tensors)


def test_another_shape_and_a_file_truncated_later(tmp_path: Path) -> None:
    path = written(tmp_path / "x.safetensors", {"a": torch.ones(4, 2)})
    stored = tensors_of(path)["a"]
    with pytest.raises(ValueError, match=r"a has shape \[4, 2\] in .*x.safetensors, not \[2, 4\]"):
        stored.read(torch.empty(2, 4))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match=r"x.safetensors ends within a: it was truncated after it was opened"):
        stored.read(torch.empty(4, 2))
    path.unlink()
    with pytest.raises(ValueError, match=r"x.safetensors cannot be read: No such file"):
        stored.read(torch.empty(4, 2))


@pytest.mark.parametrize(
    ("header", "data", "says"),
    [
        ({"a": entry()}, b"1234567", r"is truncated: it has \d+ bytes, and its header describes \d+"),
        ({"a": entry()}, b"123456789", "has data after the last tensor: it has"),
        ({"a": entry(), "b": entry()}, b"8" * 8, "'b' starts at byte 0 of the data, not at 8"),
        ({"a": entry(), "b": entry(offsets=(12, 20))}, b"8" * 20, "'b' starts at byte 12 of the data, not at 8"),
        ({"a": entry(shape=(3,))}, b"8" * 8, r"'a' has 8 bytes, which do not fit its shape \[3\] of F32"),
        ({"a": entry(offsets=(8, 0))}, b"8" * 8, "'a' has -8 bytes"),
        ({"a": entry(offsets=(-8, 0))}, b"8" * 8, "'a' has an invalid shape or invalid data_offsets"),
        ({"a": entry(offsets=(0, 4, 8))}, b"8" * 8, "'a' has an invalid shape or invalid data_offsets"),
        ({"a": entry(shape=(True, 2))}, b"8" * 8, "'a' has an invalid shape or invalid data_offsets"),
        ({"a": entry(shape=(2.0,))}, b"8" * 8, "'a' has an invalid shape or invalid data_offsets"),
        ({"a": entry(shape=(2**62, 2**62), offsets=(0, 8))}, b"8" * 8, "'a' has 8 bytes, which do not fit"),
        ({"a": entry(dtype="F4")}, b"8" * 8, "'a' has dtype 'F4', which is not supported: use one of BOOL"),
        ({"a": entry(dtype=[1])}, b"8" * 8, "'a' has dtype"),
        ({"a": {"dtype": "F32"}}, b"", "'a' needs dtype, shape and data_offsets"),
        ({"a": 3}, b"", "'a' needs dtype, shape and data_offsets"),
        ([], b"", "its header is not an object"),
        (b'{"a": 1, "a": 1}', b"", "its header is not valid: it has the key 'a' twice"),
        (b'{"a": \xff}', b"", "its header is not valid: 'utf-8' codec"),
        (b"{", b"", "its header is not valid: Expecting"),
        (b"[" * 100_000, b"", "its header is not valid: "),
    ],
)
def test_an_invalid_file_is_rejected(header: object, data: bytes, says: str, tmp_path: Path) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    with pytest.raises(ValueError, match=says) as caught:
        tensors_of(raw(tmp_path / "x.safetensors", text, data))
    assert "x.safetensors" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not a safetensors file: it has 0 bytes"),
        (b"1234", "is not a safetensors file: it has 4 bytes"),
        (b"\xff" * 30, "is not a safetensors file: it has 30 bytes, and its header would have 18,446,744"),
        ((500).to_bytes(8, "little") + b"{}", "is truncated: it has 10 bytes, and its header alone ends at 508"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n", "run git lfs pull"),
    ],
)
def test_a_file_without_a_header_is_rejected(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=says):
        tensors_of(tmp_path / "x.safetensors")
