"""``inithealth init TARGET``: the code of a whole initialization."""

from __future__ import annotations

import argparse

from inithealth.cli.check import chosen, initialized, request_of
from inithealth.cli.printing import noted, shown
from inithealth.sessions.initializing import Initialization


def run(options: argparse.Namespace) -> int:
    """Print the function; on stderr, what a check finds before and after it. Return status 1 if it is unhealthy."""
    settings = chosen(options)
    found = initialized(request_of(options, verify=False), settings)
    shown(found.code)
    noted(_verdicts(found))
    return 0 if options.exit_zero or found.after.ok else 1


def _verdicts(found: Initialization) -> str:
    """Return the verdicts before and after it, and the findings that differ."""
    compared = found.before.compare(found.after)
    verdicts = compared.model_copy(update={"changes": tuple(c for c in compared.changes if c.what == "verdict")})
    lines = [f"before: {found.before.summary()}", f"after:  {found.after.summary()}"]
    return "\n".join([*lines, *([str(verdicts)] if verdicts.changes else [])])
