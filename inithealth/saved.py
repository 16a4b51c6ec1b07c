"""Reads and writes files. Only regular files are opened, nothing blocks, and a file is replaced as a whole."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path

MIB = 2**20
# Opening a pipe or a terminal would wait, or make it the controlling terminal; not every system has these flags.
_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_KINDS = {
    stat.S_IFDIR: "directory",
    stat.S_IFIFO: "named pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFLNK: "symbolic link to itself",
}


def read(path: Path, most: int) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: the file cannot be read, or is not a regular one; ``strerror`` says why.
        ValueError: it has more than ``most`` bytes.
    """
    if _state(path) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    with open(_opened(path, os.O_RDONLY), "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"has more than {most // MIB} MiB")
    return data


def write(path: Path, text: str) -> None:
    """Replace a file: a reader never sees a part of the text, and after an error the file is what it was.

    Mode and links of the file are kept. Characters that cannot be encoded are escaped.

    Raises:
        OSError: the file cannot be written, is read-only, or is not a regular one; ``strerror`` says why.
    """
    data = text.encode("utf-8", "backslashreplace")
    path = Path(os.path.realpath(path))  # a symbolic link stays, and the file that it leads to is replaced
    before = _state(path)
    if before is None:
        _replace(path, data, None)
    elif not before.st_mode & _WRITABLE or not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "it is read-only", str(path))
    elif before.st_nlink > 1:
        _overwrite(path, data)
    else:
        _replace(path, data, before)


def append(path: Path, text: str) -> None:
    """Add text to the end of a file, which is created if there is none. Raises OSError like :func:`write`."""
    _state(path)
    with open(_opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab") as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def identity(path: str | Path) -> Hashable:
    """Return a value that is equal for all names of one file, also of one that does not exist yet."""
    real = os.path.realpath(path)
    try:
        state = os.stat(real)
    except (OSError, ValueError):
        return real
    return state.st_dev, state.st_ino


def _state(path: Path) -> os.stat_result | None:
    """Return the state of a file; None if there is none. Raises OSError if it is not a regular one."""
    try:
        state = os.stat(path)
    except FileNotFoundError:
        return None
    except ValueError:  # a null byte, or a character that file names cannot have
        raise OSError(errno.EINVAL, "its name is not a valid file name", str(path)) from None
    return _regular(path, state)


def _regular(path: Path, state: os.stat_result) -> os.stat_result:
    if not stat.S_ISREG(state.st_mode):
        kind = _KINDS.get(stat.S_IFMT(state.st_mode), "special file")
        raise OSError(errno.EINVAL, f"it is a {kind}: give a file", str(path))
    return state


def _opened(path: Path, flags: int) -> int:
    """Open a file without waiting. Its kind is checked again: it may have been replaced since the first check."""
    file = os.open(path, flags | _NO_WAIT, 0o666)
    try:
        _regular(path, os.fstat(file))
    except BaseException:
        os.close(file)
        raise
    return file


def _replace(path: Path, data: bytes, before: os.stat_result | None) -> None:
    # The name cannot be guessed, and an existing file or link of that name is an error: in a shared folder, another
    # user could otherwise choose the file that is overwritten.
    part = path.with_name(f".inithealth-{secrets.token_hex(8)}.part")
    mode = 0o666 if before is None else 0o600  # the system applies the user's mask to the mode of a new file
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | _NO_WAIT, mode)
    try:
        with open(file, "wb") as stream:
            stream.write(data)
            if before is not None:
                _take_over(file, before)
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise


def _take_over(file: int, before: os.stat_result) -> None:
    """Give the new file the owner and the mode of the old one; only root may give it another owner."""
    with suppress(OSError):
        os.fchown(file, before.st_uid, before.st_gid)
    os.fchmod(file, stat.S_IMODE(before.st_mode))


def _overwrite(path: Path, data: bytes) -> None:
    """Write into the file itself, which has several names: a new file would replace only one of them."""
    with open(_opened(path, os.O_WRONLY | _NO_LINK), "wb") as file:
        file.write(data)
        file.truncate()
