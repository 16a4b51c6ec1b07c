"""``--arg name=value``: values are Python literals or strings."""

from __future__ import annotations

import pytest

from inithealth.cli.arguments import parsed, refuse_misfits
from inithealth.cli.errors import BadInput


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("1e-3", 1e-3),
        ("[3, 4]", [3, 4]),
        ("'12'", "12"),
        ("gelu", "gelu"),
        ("a=b", "a=b"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("None", None),
        ("", ""),
    ],
)
def test_values(text: str, value: object) -> None:
    assert parsed([f"depth={text}"]) == {"depth": value}


def test_any_argument_is_accepted_if_the_function_takes_kwargs() -> None:
    refuse_misfits("net", lambda **options: None, {"depth": 1})


def test_an_argument_without_a_name_is_rejected() -> None:
    with pytest.raises(BadInput, match="net needs width: add --arg width=VALUE"):
        refuse_misfits("net", lambda width, /: None, {})
