"""Wire models from runs and steps."""

from __future__ import annotations

from dashboard.wire.convert import run_rounded_ms, step_generation
from otel_bridge.ledger.base import COPIED, ExportedRun
from otel_bridge.testing import make_run


def test_a_step_belongs_to_the_generation_it_was_exported_in():
    """Kept steps stay in the life they ran in; new ones belong to the current; a fork's copies to the first."""
    exported = ExportedRun(run_id="a", generation=2, steps={1: (10, 0), 2: (20, 1), 3: (30, COPIED)})
    assert [step_generation(seq, exported) for seq in (1, 2, 3, 4)] == [0, 1, 0, 2]
    assert step_generation(1, None) == 0


def test_a_run_whose_stamps_are_whole_seconds_says_so():
    """A plot then begins at its first step, and nobody takes a second for a measured one."""
    whole = make_run("a", created_at_ms=5_000, started_at_ms=6_000, updated_at_ms=7_000)
    assert run_rounded_ms(whole) == 1_000
    assert run_rounded_ms(make_run("a", created_at_ms=5_000, started_at_ms=6_001, updated_at_ms=7_000)) is None
