"""Which steps an undo undoes, and in what order."""

from __future__ import annotations

import pytest

from otel_bridge.runs.undo import steps_to_undo


@pytest.mark.parametrize(
    ("declared", "children", "failed", "order"),
    [
        ((), (), (), []),
        ((1, 2, 3), (), (), [3, 2, 1]),
        ((1, 2, 3), (), (2,), [3, 1]),  # what failed had no effect
        ((1, 4), (2, 3), (), [4, 3, 2, 1]),  # children in the parent's order
        ((2,), (2,), (), [2]),  # once, as a child
        ((2,), (2,), (2,), [2]),  # the child has something to undo, whatever the step says
        ((1,), (), (1, 7), []),
    ],
)
def test_steps_are_undone_last_first_but_for_those_that_failed(
    declared: tuple[int, ...], children: tuple[int, ...], failed: tuple[int, ...], order: list[int]
) -> None:
    assert steps_to_undo(declared, children, failed=failed) == order
