"""Files that someone else prepared: only regular files are opened, nothing blocks, and sizes are limited."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from inithealth import InitHealth, saved
from inithealth.cli.errors import BadInput
from inithealth.cli.model_config import read as read_model_config
from inithealth.configuration import load
from inithealth.report.compare import baseline, loading
from tests.cli.conftest import Run, folder, run  # noqa: F401
from tests.report.hostile import EXAMPLE


def pipe(path: Path) -> None:
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.mkdir()


def device(path: Path) -> None:
    path.symlink_to("/dev/null")


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path)


SPECIAL = [(pipe, "a named pipe"), (directory, "a directory"), (device, "a device"), (endless, "a device")]


@pytest.mark.parametrize(("make", "kind"), SPECIAL)
def test_only_files_are_written(make: Callable[[Path], None], kind: str, tmp_path: Path) -> None:
    make(tmp_path / "out")
    before = os.lstat(tmp_path / "out").st_mode
    for written in (saved.write, saved.append):
        with pytest.raises(OSError, match=f"it is {kind}: give a file"):
            written(tmp_path / "out", "text")
    assert os.lstat(tmp_path / "out").st_mode == before
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(("make", "kind"), SPECIAL)
def test_only_files_are_read(make: Callable[[Path], None], kind: str, tmp_path: Path) -> None:
    make(tmp_path / "in")
    for reader in (loading.read_report, baseline.read, load):
        with pytest.raises(ValueError, match=rf"in cannot be read: it is {kind}: give a file"):
            reader(tmp_path / "in")
    with pytest.raises(BadInput, match=f"it is {kind}"):
        read_model_config(str(tmp_path / "in"))


def test_a_link_to_itself_is_an_error(tmp_path: Path) -> None:
    loop(tmp_path / "out")
    with pytest.raises(OSError, match="symbolic links"):
        saved.write(tmp_path / "out", "text")
    with pytest.raises(ValueError, match="symbolic links"):
        loading.read_report(tmp_path / "out")


@pytest.mark.parametrize("name", ["a\0b.json", "\ud800.json"])
def test_an_impossible_name_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises((OSError, ValueError)):
        saved.write(tmp_path / name, "text")
    with pytest.raises(ValueError, match="cannot be read"):
        loading.read_report(tmp_path / name)


def test_a_file_exchanged_for_a_pipe_after_the_first_look_does_not_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    regular = os.stat(__file__)
    os.mkfifo(tmp_path / "in")
    monkeypatch.setattr(saved, "_state", lambda path: regular)
    for call in (lambda path: saved.read(path, 10), lambda path: saved.append(path, "text")):
        with pytest.raises(OSError, match=r"named pipe|No such device"):
            call(tmp_path / "in")


def test_the_temporary_file_is_new_and_cannot_be_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[str, int]] = []
    real = os.open

    def watched(path: str | Path, flags: int, *mode: int) -> int:
        opened.append((Path(path).name, flags))
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", watched)
    for _ in range(2):
        saved.write(tmp_path / "r.json", "text")
    (one, flags), (other, _) = opened
    assert one != other
    assert flags & os.O_EXCL
    assert flags & os.O_CREAT
    assert flags & os.O_NOFOLLOW
    assert [each.name for each in tmp_path.iterdir()] == ["r.json"]


def test_a_prepared_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if its name were known."""
    (tmp_path / "victim").write_text("precious")
    monkeypatch.setattr(saved.secrets, "token_hex", lambda size: "known")
    (tmp_path / ".inithealth-known.part").symlink_to("victim")
    with pytest.raises(FileExistsError):
        saved.write(tmp_path / "r.json", "text")
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_the_mode_of_a_file_is_kept(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_text("old")
    file.chmod(mode)
    saved.write(file, "new")
    assert (stat.S_IMODE(file.stat().st_mode), file.read_text()) == (mode, "new")


def test_a_new_file_has_the_mode_of_the_users_mask(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    saved.write(tmp_path / "new", "")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_the_content_is_never_readable_for_more_users_than_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    real = os.fchmod

    def watched(file: int, mode: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(file).st_mode))
        real(file, mode)

    (tmp_path / "r.json").write_text("old")
    monkeypatch.setattr(os, "fchmod", watched)
    saved.write(tmp_path / "r.json", "new")
    assert modes == [0o600]


def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "r.json"
    file.write_text("old")
    file.chmod(0o444)
    with pytest.raises(PermissionError, match="it is read-only"):
        saved.write(file, "new")
    assert file.read_text() == "old"


@pytest.mark.parametrize("target", ["real.json", "missing.json"])
def test_a_symbolic_link_is_kept(target: str, tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(target)
    saved.write(tmp_path / "link.json", "new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / target).read_text() == "new"


def test_all_names_of_a_file_keep_one_content(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("old and longer")
    os.link(tmp_path / "one", tmp_path / "two")
    saved.write(tmp_path / "one", "new")
    assert (tmp_path / "two").read_text() == "new"
    assert (tmp_path / "one").stat().st_nlink == 2


def test_a_name_of_the_longest_length_is_written(tmp_path: Path) -> None:
    saved.write(tmp_path / ("n" * 250 + ".json"), "text")


@pytest.mark.parametrize(
    "options",
    [
        ["--output-format", "json=a", "--output-format", "junit=a"],
        ["--output-format", "json=a", "--output-format", "junit=./a"],
        ["--output-format", "json=a", "--output-format", "junit=link"],
        ["--output-format", "json=a", "--write-baseline", "mine/../a"],
        ["--output-format", "json=known", "--baseline", "known"],
        ["--output-format", "json=same", "--baseline", "known", "--write-baseline", "known"],
        ["--output-file", "settings.toml", "--config", "settings.toml"],
    ],
)
def test_a_file_given_twice_is_rejected_before_anything_is_built(options: list[str], run: Run, folder: Path) -> None:  # noqa: F811
    (folder / "link").symlink_to("a")
    saved.write(folder / "known", baseline.text_of(baseline.Baseline.of(EXAMPLE)))
    os.link(folder / "known", folder / "same")
    (folder / "settings.toml").write_text("")
    done = run("check", "mine.nets:raises", *options)
    assert done.status == 2
    assert done.error.endswith("is given twice: an output needs a file of its own")


def test_a_report_is_not_replaced_by_its_text(run: Run, folder: Path) -> None:  # noqa: F811
    (folder / "r.json").write_text(EXAMPLE.to_json())
    assert run("report", "r.json", "--output-file", "./r.json").error.endswith("an output needs a file of its own")
    assert (folder / "r.json").read_text() == EXAMPLE.to_json()


def test_the_summary_is_not_written_to_a_pipe(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    os.mkfifo(folder / "summary")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary"))
    done = run("check", "mine.nets:healthy")
    assert done.status == 0
    assert "no step summary: it is a named pipe" in done.err


@pytest.mark.parametrize("path", ["report.txt", "report", "model.ckpt", "report.yaml"])
def test_a_report_path_without_a_format_is_rejected(path: str) -> None:
    with pytest.raises(ValueError, match=r"report_path must end in \.json \(data\) or \.html or \.htm \(the page\)"):
        InitHealth(report_path=path)


@pytest.mark.parametrize("path", ["report.json", "report.html", "report.htm", "REPORT.HTM"])
def test_a_report_path_with_a_format_is_accepted(path: str) -> None:
    assert InitHealth(report_path=path).report_path == Path(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x=" + "[" * 100_000, "nested more than 32 levels"),
        ("x=" + "{a=" * 20_000, "nested more than 32 levels"),
        ("a" + ".a" * 4000 + "=1", "nested more than 32 levels"),
        ("[a" + ' . "b"' * 4000 + "]", "nested more than 32 levels"),
        ("x=" + "[{a=" * 20_000, "nested more than 32 levels"),
        ("x = 1 # " + "a" * 2**20, "has more than 1 MiB"),
        ("x = " + "9" * 5000, "is not valid TOML"),
    ],
)
def test_settings_are_limited(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "inithealth.toml").write_text(text)
    with pytest.raises(ValueError, match=says) as raised:
        load(start=tmp_path)
    assert len(str(raised.value).splitlines()) == 1


BOMB = "a0: &a0 [1, 1]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
MERGED = "a: &a {x: 1}\n" + "".join(
    f"b{n}: &b{n}\n  <<: [{', '.join(['*a' if n == 0 else f'*b{n - 1}'] * 9)}]\n" for n in range(12)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOMB + "model: *a11", "more than 20000 values"),
        (MERGED + "model: *b11", "more than 20000 values"),
        ("model: &a {class_path: x, init_args: *a}", "contains itself through an alias"),
        ("model: " + "[" * 10_000, "more than 64 levels"),
        ("model: !!python/object/apply:os.system [echo]", "could not determine a constructor"),
        ("model: 1 # " + "a" * 2**20, "has more than 1 MiB"),
    ],
)
def test_model_configurations_are_limited(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(BadInput, match=says):
        read_model_config(str(tmp_path / "config.yaml"))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"model":' * 100_000, '{"model": ' + "1" * 100_000 + "}"])
def test_deeply_nested_reports_are_rejected(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text)
    for reader in (loading.read_report, baseline.read):
        with pytest.raises(ValueError, match=r"r\.json is not a (report|baseline)"):
            reader(tmp_path / "r.json")


def test_a_report_has_at_most_256_mebibytes(tmp_path: Path) -> None:
    with open(tmp_path / "r.json", "wb") as file:
        file.truncate(256 * 2**20 + 1)  # a sparse file, which takes no space
    with pytest.raises(ValueError, match="has more than 256 MiB: it is not a report"):
        loading.read_report(tmp_path / "r.json")
