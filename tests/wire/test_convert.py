"""Wire models from runs and steps."""

from __future__ import annotations

from dashboard.wire.convert import step_generation
from otel_bridge.ledger.base import COPIED, ExportedRun


def test_a_step_belongs_to_the_generation_it_was_exported_in():
    """Kept steps stay in the life they ran in; new ones belong to the current; a fork's copies to the first."""
    exported = ExportedRun(run_id="a", generation=2, steps={1: (10, 0), 2: (20, 1), 3: (30, COPIED)})
    assert [step_generation(seq, exported) for seq in (1, 2, 3, 4)] == [0, 1, 0, 2]
    assert step_generation(1, None) == 0
