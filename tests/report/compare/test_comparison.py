"""Two reports compared."""

from __future__ import annotations

import json

from inithealth.report.compare.changes import changes
from inithealth.report.compare.changes_text import changes_table
from tests.rules.nets import judged, mlp, zeroed


def test_a_report_is_compared_with_a_later_one() -> None:
    model = mlp()
    before = judged(model)
    zeroed(model)
    after = judged(model)
    compared = before.compare(after)
    assert compared.changes == changes(before, after)
    assert str(compared) == changes_table(compared.changes)
    assert [change.what for change in compared.worse] == ["verdict"]
    assert after.compare(before).worse == ()
    assert len(json.loads(compared.to_json())) == len(compared.changes)
