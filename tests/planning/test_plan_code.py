"""The code of a plan: loops over blocks, comments, and the order of its operations."""

from __future__ import annotations

import pytest

from inithealth.evidence.fix_text import initialize
from inithealth.operations import Operation
from inithealth.planning.plan import Group, Plan
from inithealth.planning.plan_code import code_of, ordered_operations
from inithealth.planning.weight_roles import BIASES, FIXES


def plan(*operations: Operation, kept: dict[str, tuple[str, ...]] | None = None) -> Plan:
    return Plan((Group(BIASES, operations),), kept or {})


ZEROS = [initialize(f"h.{i}.{name}", "zeros") for name in ("a", "b") for i in range(3)]


def test_statements_of_one_loop_are_together_and_run_in_that_order() -> None:
    found = plan(*ZEROS, initialize("stem", "zeros"))
    assert code_of(found).splitlines()[-4:] == [
        "    for i in range(3):",
        "        nn.init.zeros_(model.h[i].a)",
        "        nn.init.zeros_(model.h[i].b)",
        "    nn.init.zeros_(model.stem)",
    ]
    order = [each.parameter for each in ordered_operations(found)]
    assert order == ["h.0.a", "h.0.b", "h.1.a", "h.1.b", "h.2.a", "h.2.b", "stem"]


def test_stages_with_equal_numbers_of_blocks_share_a_loop() -> None:
    found = plan(*(initialize(f"stages.{stage}.{block}", "zeros") for stage in range(2) for block in range(3)))
    assert [line.strip() for line in code_of(found).splitlines()[-3:]] == [
        "for i in range(3):",
        "nn.init.zeros_(model.stages[0][i])",
        "nn.init.zeros_(model.stages[1][i])",
    ]


def test_a_comment_gives_the_role_and_why() -> None:
    assert f"    # {BIASES.title}: {BIASES.reason}.\n" in code_of(plan(*ZEROS))


def test_what_is_kept_is_named_by_its_pattern() -> None:
    code = code_of(plan(kept={"they are frozen": ("h.0.a", "h.1.a", "stem")}))
    assert code.splitlines()[-1] == "    # Kept, as they are frozen: h.*.a, stem."


def test_an_empty_plan_is_a_function() -> None:
    space: dict[str, object] = {}
    exec(code_of(Plan((), {})), space)
    assert "init_weights" in space


@pytest.mark.parametrize("name", ["a\nimport os", "a\rimport os", "\x1b[31m", "::error::x", "##[error]", "a\u2028b"])
def test_names_of_any_origin_stay_in_comments(name: str) -> None:
    code = code_of(Plan((Group(FIXES, (initialize(name, "zeros"),)),), {"frozen": (name,)}))
    lines = code.splitlines()
    comments = [line for line in lines if line.strip().startswith("#")]
    assert not any(line.strip().startswith(("import os", "::")) for line in lines)
    assert all(comment.isprintable() and "##[" not in comment for comment in comments)
    compile(code, "code", "exec")
