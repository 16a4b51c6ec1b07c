"""Messages and fixes for buffers that were never filled."""

from __future__ import annotations

from inithealth.evidence import unfilled_buffers
from inithealth.recording import UnfilledBuffer


def buffers(count: int = 1, **more: object) -> list[UnfilledBuffer]:
    known = {"use": "angle", "persistent": False, **more}
    names = [f"layers.{number}.rotary" for number in range(count)]
    return [UnfilledBuffer.model_validate({"name": f"{name}.inv_freq", "module": name, **known}) for name in names]


def test_messages_describe_values_and_use() -> None:
    assert unfilled_buffers.message(buffers()) == (
        "layers.0.rotary.inv_freq: the buffer is exactly zero and multiplies the argument of a sine or cosine, which "
        "is therefore constant"
    )
    assert unfilled_buffers.message(buffers(4, use="positions", abs_max=4.6e-41)) == (
        "layers.0.rotary.inv_freq ... layers.3.rotary.inv_freq (4 buffers): the buffers are zero up to 4.6e-41 and "
        "multiply positions, so that all positions look the same"
    )
    assert "uninitialized memory (NaN)" in unfilled_buffers.message(buffers(use="values", non_finite=2))
    assert "uninitialized memory (values up to 3e+38)" in unfilled_buffers.message(buffers(use="values", abs_max=3e38))
    assert "the frozen parameter is exactly zero" in unfilled_buffers.message(buffers(parameter=True))


def test_causes_name_what_does_not_restore_the_values() -> None:
    assert "no checkpoint contains" in unfilled_buffers.cause(buffers())
    assert "checkpoint" not in unfilled_buffers.cause(buffers(persistent=True))
    assert "frozen parameter" in unfilled_buffers.cause(buffers(parameter=True))


def test_fixes_call_the_method_that_fills_a_buffer() -> None:
    assert unfilled_buffers.fix(buffers(2, refill="reset")) == (
        "model.layers[0].rotary.reset()\nmodel.layers[1].rotary.reset()"
    )
    assert unfilled_buffers.fix(buffers(4, refill="reset")) == "for i in range(4): model.layers[i].rotary.reset()"
    assert unfilled_buffers.fix(buffers()).startswith("write the values that the constructor computes to model.layers")
