"""Stored recordings of networks. Rules are functions of recordings, so new rules need no new passes."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from inithealth.judge.diagnose import diagnose
from inithealth.recording import Recording
from inithealth.sessions.oneshot import record
from inithealth.settings import Settings

from .entries import Entry
from .verdicts import Verdict


def kept_at(entry: Entry, folder: Path) -> Path:
    return folder / f"{hashlib.sha256(entry.key.encode()).hexdigest()[:20]}.json.gz"


def keep(entry: Entry, folder: Path) -> str | None:
    """Record a network. Returns the reason if that failed, else None."""
    case = entry.case()
    try:
        recording = record(case.model, case.batch, loss=case.loss, optimizer=entry.optimizer(case))
    except Exception as error:  # a network that cannot be judged is listed as such
        return f"{type(error).__name__}: {error}"
    with gzip.open(kept_at(entry, folder), "wt", compresslevel=3) as file:
        file.write(recording.model_dump_json())
    return None


def load(entry: Entry, folder: Path) -> Recording:
    with gzip.open(kept_at(entry, folder), "rt") as file:
        return Recording.model_validate_json(file.read())


def judged(entry: Entry, folder: Path) -> Verdict:
    return Verdict.reported(diagnose(load(entry, folder), Settings()))
