"""Errors of the user's code during a check, with advice on the options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout

from inithealth.cli.errors import BadInput, first_line, show_their_frames, their_frames
from inithealth.cli.printing import UserOutput
from inithealth.record.paged.errors import CannotDefer


@contextmanager
def explained(name: str, inputs: Sequence[str]) -> Iterator[None]:
    """In the context, redirect output of the user's code to stderr; raise errors as BadInput, with advice."""
    try:
        with redirect_stdout(UserOutput()):
            yield
    except BadInput:
        raise
    except CannotDefer as error:  # its message names the user's line
        raise BadInput(f"checking {name}: {error}") from None
    except (Exception, SystemExit) as error:
        advice = _advice(error, inputs)
        if their_frames(error) and not advice:
            show_their_frames(error)
        raise BadInput(f"checking {name}: {first_line(error)}{advice}") from None


def _advice(error: BaseException, given: Sequence[str]) -> str:
    """Return a command or option that fixes the error, if the error shows it; else ""."""
    shapes = list(given)
    if not shapes:
        return ""
    if "scalar types: Long, Int" in str(error):
        return f": the model takes integers, {_typed(shapes, 'int64')}"
    sample = shapes[0].partition(",")[0]
    labels = f"--input {sample}:int64"
    if "training_step unpacks its batch" in str(error) or "target dtype to be Long" in str(error):
        inputs = shapes if len(shapes) == 1 else shapes[:-1]
        return f"; for class labels as the target type {_typed(inputs)} {labels}"
    if isinstance(error, TypeError) and "as the batch" in str(error):
        return f"; here: one more --input for the target, as {labels}"
    return ""


def _typed(shapes: list[str], dtype: str = "") -> str:
    """Return the `--input` options of these shapes; `dtype` is for those that have none."""
    return " ".join(f"--input {each if ':' in each or not dtype else f'{each}:{dtype}'}" for each in shapes)
