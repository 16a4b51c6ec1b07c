"""Checkpoints: which files are read, how names are matched, and what is wrong with a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from inithealth.record.paged.checkpoint import Checkpoint
from tests.record.paged.test_shard import written

INDEX = "model.safetensors.index.json"


def indexed(folder: Path, content: object) -> Path:
    text = content if isinstance(content, str) else json.dumps({"metadata": {}, "weight_map": content})
    (folder / INDEX).write_text(text)
    return folder


def named(folder: Path, *names: str) -> Checkpoint:
    return Checkpoint.of(written(folder / "x.safetensors", {name: torch.ones(1) for name in names}))


def test_a_folder_of_shards(tmp_path: Path) -> None:
    values = torch.randn(3, 2)
    written(tmp_path / "model-1.safetensors", {"a": values})
    written(tmp_path / "model-2.safetensors", {"b.c": torch.arange(4)})
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    found = Checkpoint.of(str(tmp_path))
    assert found.names == {"a", "b.c"}
    assert (found.shape("a"), found.dtype("b.c")) == ((3, 2), torch.int64)
    target = torch.empty(3, 2, dtype=torch.float64)
    found.reader("a")(target)
    assert torch.equal(target, values.double())


def test_the_index_decides_which_files_are_read(tmp_path: Path) -> None:
    written(tmp_path / "model-1.safetensors", {"a": torch.ones(1), "unused": torch.ones(1)})
    (tmp_path / "consolidated.safetensors").write_bytes(b"not read")
    assert Checkpoint.of(indexed(tmp_path, {"a": "model-1.safetensors"})).names == {"a"}


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    written(tmp_path / "1.safetensors", {"a": torch.ones(1)})
    indexed(tmp_path, {"a": "1.safetensors", "b": "2.safetensors", "c": "2.safetensors"})
    with pytest.raises(ValueError, match=r"2\.safetensors is missing: .*index.json names it for 2 of 3 tensors"):
        Checkpoint.of(tmp_path)
    written(tmp_path / "2.safetensors", {"b": torch.ones(1)})
    with pytest.raises(ValueError, match=r"2\.safetensors does not have 'c', which model.safetensors.index.json names"):
        Checkpoint.of(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not a valid index: Expecting"),
        ("[]", "it has no weight_map"),
        ({}, "it has no weight_map"),
        ('{"weight_map": {"a": "x", "a": "y"}}', "it has the key 'a' twice"),
        ({"a": "../x.safetensors"}, "'../x.safetensors' is not the name of a safetensors file in this folder"),
        ({"a": "pytorch_model.bin"}, "is not the name of a safetensors file"),
        ({"a": 3}, "3 is not the name of a safetensors file"),
    ],
)
def test_an_invalid_index_is_rejected(content: object, says: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says):
        Checkpoint.of(indexed(tmp_path, content))


def test_a_folder_without_safetensors_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no folder .*none"):
        Checkpoint.of(tmp_path / "none")
    with pytest.raises(ValueError, match=r"has no safetensors file$"):
        Checkpoint.of(tmp_path)
    pickled = tmp_path / "pytorch_model.bin"
    pickled.write_bytes(b"")
    for place in (tmp_path, pickled):
        with pytest.raises(ValueError, match=r"only safetensors are read: model.save_pretrained\(folder, safe_"):
            Checkpoint.of(place)


def test_a_name_in_two_files_is_rejected(tmp_path: Path) -> None:
    for number in (1, 2):
        written(tmp_path / f"{number}.safetensors", {"a": torch.ones(1)})
    with pytest.raises(ValueError, match=r"'a' is in .*1\.safetensors and in .*2\.safetensors: give one"):
        Checkpoint.of(tmp_path)


@pytest.mark.parametrize(
    ("stored", "wanted", "matched"),
    [
        (["model.a.weight", "head"], ["model.a.weight", "head"], ["model.a.weight", "head"]),
        (["a.weight", "a.bias"], ["model.a.weight", "model.a.bias", "head"], ["a.weight", "a.bias", None]),
        (["transformer.h.0.w", "transformer.h.1.w"], ["h.0.w", "h.1.w"], ["transformer.h.0.w", "transformer.h.1.w"]),
        (["h.0.w", "h.1.w", "head"], ["base.h.0.w", "base.h.1.w", "head"], ["h.0.w", "h.1.w", "head"]),
        (["a.0.weight", "a.1.weight"], ["weight"], [None]),  # either of the two could be it
        (["weight"], ["a.0.weight", "a.1.weight"], [None, None]),
        (["a.weight"], ["weight", "a.weight"], [None, "a.weight"]),  # already taken by its own name
        (["b"], ["a"], [None]),
    ],
)
def test_names_are_matched(stored: list[str], wanted: list[str], matched: list[str | None], tmp_path: Path) -> None:
    found = named(tmp_path, *stored).matched(wanted)
    assert found == {name: each for name, each in zip(wanted, matched, strict=True) if each is not None}


def test_an_absent_name_of_a_tied_tensor_gets_the_values_of_the_other(tmp_path: Path) -> None:
    found = named(tmp_path, "model.embed.weight", "model.norm").matched(
        ["lm_head.weight", "model.embed.weight", "model.norm", "x", "y"],
        tied=[("lm_head.weight", "model.embed.weight"), ("x", "y")],
    )
    assert found["lm_head.weight"] == found["model.embed.weight"] == "model.embed.weight"
    assert "x" not in found
