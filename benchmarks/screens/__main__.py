"""Writes pictures of the terminal output of training runs to docs/images/terminal.

    pip install -e . -r benchmarks/screens/requirements.txt
    python -m benchmarks.screens [--text] [--chromium PROGRAM] [NAME ...]

A name is NETWORK-FAULT-ON_UNHEALTHY-BAR-COLUMNS, the arguments of `benchmarks/screens/train.py`; `readme` is the table
printed by `examples/quickstart.py`. Each run uses a pseudo-terminal, pyte renders its output to a screen, and Chromium
converts the screen to a picture. Without a name, all pictures of the project are written.
"""

from __future__ import annotations

import argparse
import fcntl
import html
import math
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pyte
import torch
from PIL import Image

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/images/terminal"
NAMES = """
    readme cnn-none-warn-tqdm-80 cnn-none-warn-rich-120 cnn-layer-stop-tqdm-80 cnn-layer-raise-rich-80
    transformer-none-warn-rich-80 transformer-layer-warn-tqdm-80 transformer-layer-warn-rich-120
    transformer-normal-stop-rich-80 transformer-normal-raise-tqdm-120 resnet-none-warn-tqdm-120
    resnet-gains-warn-tqdm-80 resnet-zeros-stop-rich-120 resnet-zeros-raise-tqdm-80
""".split()
LINES = 500  # of the terminal, so nothing scrolls out of it
SIZE, WIDTH, HEIGHT, MARGIN = 14, 14 * 1233 / 2048, 16, 12  # of a character of DejaVu Sans Mono, in CSS pixels
COLORS = {
    "default": "#e6edf3", "black": "#6e7681", "red": "#ff7b72", "green": "#56d364", "brown": "#e3b341",
    "blue": "#79c0ff", "magenta": "#d2a8ff", "cyan": "#76e3ea", "white": "#e6edf3",
}  # fmt: skip
# pyte does not support dim text. It uses the attribute for blinking, which is unused here.
pyte.graphics.TEXT.update({2: "+blink"})


def written(command: list[str], columns: int) -> bytes:
    """Return everything that the command writes to a terminal of that width."""
    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))
        unset = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        os.chdir(ROOT)
        os.execvpe(command[0], command, {**unset, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)})
    found = b""
    try:
        while part := os.read(terminal, 1 << 16):
            found += part
    except OSError:  # Linux raises this when the other end is closed
        pass
    os.waitpid(process, 0)
    for folder, short in ((Path(torch.__file__).parents[1], "site-packages"), (ROOT, ".")):
        found = found.replace(f"{folder}/".encode(), f"{short}/".encode())
    return found


def screen_of(data: bytes, columns: int) -> list[list[pyte.screens.Char]]:
    """Return the final lines of the terminal, without trailing empty ones."""
    screen = pyte.Screen(columns, LINES)
    pyte.ByteStream(screen).feed(data)
    used = max((line for line, text in enumerate(screen.display, 1) if text.strip()), default=0)
    return [[screen.buffer[line][column] for column in range(columns)] for line in range(used)]


def text_of(line: list[pyte.screens.Char]) -> str:
    return "".join(char.data for char in line).rstrip()


def spans(line: list[pyte.screens.Char]) -> Iterator[str]:
    for (color, bold, dim, full), chars in groupby(
        line, lambda char: (char.fg, char.bold, char.blink, char.data == "█")
    ):
        color = COLORS.get(color.removeprefix("bright"), f"#{color}")
        style = f"color: {color}; font-weight: {'bold' if bold else 'normal'}; opacity: {0.6 if dim else 1}"
        style += "; background: currentColor" if full else ""  # no gaps between the blocks of a bar
        yield f'<span style="{style}">{html.escape("".join(char.data for char in chars))}</span>'


def draw(lines: list[list[pyte.screens.Char]], path: Path, chromium: str) -> None:
    scale = 2 if len(lines[0]) < 100 else 1.25
    width = math.ceil(WIDTH * scale) / scale  # in whole pixels of the picture
    size = math.ceil(len(lines[0]) * width) + 2 * MARGIN, len(lines) * HEIGHT + 2 * MARGIN
    style = f"margin: {MARGIN}px; letter-spacing: {width - WIDTH}px; font: {SIZE}px/{HEIGHT}px 'DejaVu Sans Mono'"
    body = "\n".join("".join(spans(line)) for line in lines)
    with tempfile.TemporaryDirectory() as folder:
        page, picture = Path(folder, "page.html"), Path(folder, "picture.png")
        head = f'<meta charset="utf-8"><body style="margin: 0; background: #0d1117"><pre style="{style}">'
        page.write_text(f"{head}{body}</pre>", "utf-8")
        options = "--headless --no-sandbox --hide-scrollbars --disable-lcd-text".split()
        options += [f"--force-device-scale-factor={scale}", f"--window-size={size[0]},{size[1]}"]
        options += [f"--screenshot={picture}", str(page)]
        subprocess.run([chromium, *options], check=True, capture_output=True)
        Image.open(picture).convert("RGB").quantize(32, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


def without_frames(lines: list[list[pyte.screens.Char]]) -> list[list[pyte.screens.Char]]:
    """Return the lines with the traceback's middle frames replaced by one line."""
    frames = [place for place, line in enumerate(lines) if text_of(line).startswith('  File "')]
    if len(frames) < 3:
        return lines
    left_out = screen_of(
        f"\033[2m  ... {len(frames) - 2} frames of Lightning, torch and inithealth".encode(), len(lines[0])
    )
    return lines[: frames[1]] + left_out + lines[frames[-1] :]


def lines_of(name: str) -> list[list[pyte.screens.Char]]:
    if name != "readme":
        *arguments, width = name.split("-")
        data = written([sys.executable, "benchmarks/screens/train.py", *arguments], int(width))
        return screen_of(data, int(width))
    with tempfile.TemporaryDirectory() as logs:
        command = [sys.executable, "examples/quickstart.py", "--steps", "3", "--logdir", logs]
        lines = screen_of(written(command, 80), 80)
    texts = [text_of(line) for line in lines]
    first = next(place for place, text in enumerate(texts) if text.startswith("inithealth: unhealthy"))
    table = next(place for place, text in enumerate(texts[first:], first) if text.split()[:1] == ["layer"])
    return lines[first : texts.index("", table)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=NAMES)
    parser.add_argument("--text", action="store_true", help="also print the screens")
    parser.add_argument("--chromium", default="chromium", metavar="PROGRAM")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in options.names:
        lines, path = lines_of(name), FOLDER / f"{name}.png"
        draw(without_frames(lines), path, options.chromium)
        print(f"{name}: {len(lines)} lines, {path.stat().st_size // 1024} KiB", flush=True)
        if options.text:
            print("\n".join(map(text_of, lines)))


if __name__ == "__main__":
    main()
