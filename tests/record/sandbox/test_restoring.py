"""Every function runs, whatever happens to the others."""

from __future__ import annotations

from collections.abc import Callable

from inithealth.record.sandbox.restoring import Restorers


def raising(*errors: BaseException) -> Callable[[], None]:
    left = list(errors)

    def restore() -> None:
        if left:
            raise left.pop(0)

    return restore


def test_all_functions_run_and_errors_are_returned_by_name() -> None:
    ran: list[str] = []
    error = ValueError()
    restorers = Restorers([("first", raising(error))])
    restorers.add("second", lambda: ran.append("second"))
    assert list(restorers.run()) == [("first", error)]
    assert ran == ["second"]


def test_an_interrupted_function_runs_again() -> None:
    interruption, error = KeyboardInterrupt(), ValueError()
    assert list(Restorers([("a", raising(interruption))]).run()) == [("a", interruption)]
    assert list(Restorers([("a", raising(interruption, error))]).run()) == [("a", interruption), ("a", error)]
