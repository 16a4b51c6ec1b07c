"""Architectures of the `transformers` library with default initialization, built from small configurations.

Only sizes differ from the defaults. The weights are random; nothing is downloaded.
"""

from __future__ import annotations

from ..nets import Net
from . import transformers_pictures, transformers_senses, transformers_text
from .transformers_table import net

NETS: tuple[Net, ...] = tuple(
    net(row) for rows in (transformers_text.ROWS, transformers_pictures.ROWS, transformers_senses.ROWS) for row in rows
)
