"""The settings of a project: found in parent folders, or rejected with the file, the key and a suggestion."""

from __future__ import annotations

from pathlib import Path

import pytest

from inithealth import Settings
from inithealth.configuration import load


def written(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_the_nearest_file_with_settings_is_used(tmp_path: Path) -> None:
    written(tmp_path, "pyproject.toml", '[tool.inithealth]\nignore = ["IH3"]')
    written(tmp_path / "a", "pyproject.toml", "[tool.other]\nx = 1")
    assert load(start=tmp_path / "a").ignore == ("IH3",)
    written(tmp_path / "a", "inithealth.toml", 'fail_on = "warning"')
    assert load(start=tmp_path / "a") == Settings(fail_on="warning")
    assert load(start=tmp_path / "a", isolated=True) == Settings()


def test_all_settings_can_be_in_a_file(tmp_path: Path) -> None:
    text = """
        select = ["IH1", "IH2"]
        [rules.dead-units]
        max_share = 0.9
        [[overrides]]
        layers = "blocks.*.norm*"
        ignore = "IH103"
        [[suppress]]
        rule = "IH104"
        layers = ["head"]
        reason = "starts alike by design"
    """
    found = load(written(tmp_path, "mine.toml", text))
    assert found.select == ("IH1", "IH2")
    assert found.overrides[0].covers("blocks.3.norm1")
    assert not found.overrides[0].covers("head")
    assert found.suppress[0].reason == "starts alike by design"


def test_the_section_of_a_given_file(tmp_path: Path) -> None:
    file = written(tmp_path, "other.toml", '[tool.inithealth]\nfail_on = "never"')
    assert load(file).fail_on == "never"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("selct = 'IH1'", "unknown setting 'selct'; did you mean 'select'"),
        ("select = 'IH9'", "unknown rule 'IH9'"),
        ("fail_on = 'errors'", "fail_on: Input should be"),
        ("[rules.dead-unit]\nx = 1", "did you mean 'dead-units'"),
        ("[[suppress]]\nrule = 'IH104'", "suppress.0.reason: Field required"),
        ("x = ", "is not valid TOML"),
        ("tool = {inithealth = 3}", "must be a table"),
    ],
)
def test_an_error_is_reported_with_the_file(text: str, says: str, tmp_path: Path) -> None:
    file = written(tmp_path, "inithealth.toml", text)
    with pytest.raises(ValueError, match=says) as raised:
        load(file)
    assert str(raised.value).startswith(str(file))
    assert "\n" not in str(raised.value)


def test_a_file_that_is_missing_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="is not valid TOML"):
        load(tmp_path / "binary.toml")
