"""The layers and their connections in the document."""

from __future__ import annotations

from inithealth.page.deviations import Deviations
from inithealth.page.structure import structure
from inithealth.recording import Layer, Recording, Scheme, Step
from tests.rules.recordings import layer, measured, signal, stack

FIELDS = (
    "name module kind type place shape scheme std wantedStd activation feeds bypassable readsTrunk endsBranch "
    "readsNorm head zeroStart source"
)


def described(layers: tuple[Layer, ...], **more: object) -> dict[str, object]:
    known = {
        "model": "MLP",
        "layers": layers,
        "steps": (Step(index=0, layers=measured(layers)),),
        "inputs": {"x": signal()},
    }
    recording = Recording.model_validate({**known, **more})
    return structure(recording, Deviations(recording, {}), {}, {"torch": "2"})


def test_each_layer_has_all_fields_in_forward_order() -> None:
    layers = stack(3, fc0={"scheme": Scheme(name="kaiming", text="Kaiming normal"), "wants": 0.1, "source": "m.py:4"})
    made = described(layers[::-1])["layers"]
    assert isinstance(made, list)
    assert [each["name"] for each in made] == ["fc0", "fc1", "head"]
    assert all(set(each) == set(FIELDS.split()) for each in made)
    first = made[0]
    assert (first["scheme"], first["wantedStd"], first["source"], first["feeds"]) == (
        "Kaiming normal",
        0.1,
        "m.py:4",
        "relu",
    )
    assert (first["shape"], first["std"]) == ([96, 96], 0.1443)
    assert (made[2]["head"], made[2]["feeds"]) == (True, "loss")


def test_every_kind_of_reader_is_in_words() -> None:
    feeds = "activation norm attention residual gate positions layer loss unused unknown".split()
    layers = tuple(layer(f"l{at}", at, feeds=each, activation=None) for at, each in enumerate(feeds))
    made = described(layers)["layers"]
    assert isinstance(made, list)
    assert [each["feeds"] for each in made][-3:] == ["loss", "nothing", ""]
    assert "residual sum" in [each["feeds"] for each in made]


def test_the_expected_sizes_and_the_theory_are_by_layer() -> None:
    layers = stack(3)
    steps = (Step(index=0, layers=measured(layers, fc0={"predicted": 4.0}, fc1={"predicted": float("nan")})),)
    made = described(layers, steps=steps, branches=2, trunk_normalized=True)
    assert made["theory"] == [2.0, None, None]
    assert made["expected"]["forward"] == [0.0, 0.0, 0.0]  # type: ignore[index]
    assert made["trunk"] == {"normalized": True, "branches": 2}
    assert made["reference"] == {"forward": "the input's rms 1", "gradient": "the last layer's"}
