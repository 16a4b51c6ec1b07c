"""Loading a model from ``package.module:name``."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from inithealth.cli.errors import BadInput, guarded
from inithealth.cli.locations import load
from inithealth.cli.targets import find

pytestmark = pytest.mark.usefixtures("folder")


def test_a_class_or_function_creates_a_new_model_each_time() -> None:
    for name in ("mine.nets:Net", "mine.nets:healthy"):
        target = find(name)
        assert target.fresh
        assert target.make().model is not target.make().model
        assert target.code is load(name)


def test_a_model_object_is_the_same_each_time() -> None:
    target = find("mine.nets:made")
    assert not target.fresh
    assert target.make().model is target.make().model is load("mine.nets:made")
    assert target.code is load("mine.nets:Net")


def test_a_function_may_return_a_batch_and_a_loss() -> None:
    subject = find("mine.nets:healthy").make()
    assert subject.batch is load("mine.nets:BATCH")
    assert subject.loss is load("mine.nets:loss")
    assert find("mine.nets:plain").make().loss is None
    assert find("mine.nets:Net").make().batch is None


def test_a_name_may_contain_dots() -> None:
    assert load("mine.nets:nn.Linear") is nn.Linear


@pytest.mark.parametrize("name", ["nets", ":x", "mine.nets:"])
def test_invalid_targets_are_rejected(name: str) -> None:
    with pytest.raises(BadInput, match="is not a target: write package"):
        find(name)


@pytest.mark.parametrize(
    ("returned", "says"),
    [("()", "nothing"), ("(Net(), 1, 2, 3)", "Net, int, int, int"), ("(1, Net())", "int, Net"), ("None", "NoneType")],
)
def test_a_function_that_returns_no_model_is_rejected(returned: str, says: str, folder: Path) -> None:
    (folder / "mine" / "odd.py").write_text(f"from mine.nets import Net\ndef build():\n    return {returned}\n")
    with pytest.raises(BadInput, match=f"returned {says}: it must return model"):
        find("mine.odd:build").make()


def test_output_of_the_users_code_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    find("mine.nets:healthy").make()
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "made by a user who prints\n")


def test_an_interrupt_is_raised() -> None:
    with pytest.raises(KeyboardInterrupt), guarded("importing"):
        raise KeyboardInterrupt
    with pytest.raises(BadInput, match="said before"), guarded("importing"):
        raise BadInput("said before")
