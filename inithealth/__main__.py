"""``python -m inithealth``."""

from __future__ import annotations

import sys

from inithealth.cli.main import main

sys.exit(main())
