"""Stored results: JSON lines that are appended as they are found, so an interrupted run resumes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Kept:
    """Entries by key, stored in one file. If a key occurs more than once, the last line is valid."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        self._entries: dict[str, Entry] = {}
        for line in lines:
            entry = json.loads(line)
            self._entries[entry.pop("key")] = entry

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def get(self, key: str) -> Entry | None:
        return self._entries.get(key)

    def add(self, key: str, entry: Entry) -> None:
        self._entries[key] = entry
        with self.path.open("a") as file:
            file.write(json.dumps({"key": key, **entry}) + "\n")
