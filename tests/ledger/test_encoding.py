"""What the ledger writes is compact, bounded and read back as it was."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_bridge.ledger.base import COPIED, Executor, InFlightStep, UpdateValidator
from otel_bridge.ledger.encoding import (
    MAX_IN_FLIGHT,
    MAX_RUNS,
    dump_executor,
    load_executor,
    pack_steps,
    trace_key,
    unpack_steps,
)

STEPS = st.dictionaries(
    st.integers(-10_000, 2**31), st.tuples(st.integers(0, 2**45), st.integers(COPIED, 100)), max_size=200
)


@given(STEPS)
def test_steps_are_read_back_as_they_were(steps: dict[int, tuple[int, int]]) -> None:
    """Any numbers, ends and generations; equal steps give equal bytes, in whatever order they came."""
    data = pack_steps(steps)
    assert unpack_steps(data) == steps
    assert pack_steps(dict(reversed(list(steps.items())))) == data


def test_a_thousand_steps_take_a_few_kilobytes() -> None:
    """A run's row stays small."""
    steps = {seq: (1_700_000_000_000 + seq * 37 + seq % 7, 0) for seq in range(1_000)}
    assert len(pack_steps(steps)) < 6_000
    assert len(pack_steps({seq: end for seq, end in steps.items() if seq < 10})) == 100
    assert pack_steps({}) == b""


def test_ends_far_apart_in_a_short_run_are_kept() -> None:
    """A run that slept for years, and numbers beyond the short form."""
    steps = {1: (1_000, 0), 2: (1_000 + 2**40, 0), 3: (5, 300), 2**40: (0, -1)}
    assert unpack_steps(pack_steps(steps)) == steps


@pytest.mark.parametrize("data", [b"\x09abc", b"\x01not zlib"])
def test_damaged_steps_are_refused(data: bytes) -> None:
    """An unknown format and noise are reported, not guessed."""
    with pytest.raises(ValueError, match=r"does not know|damaged"):
        unpack_steps(data)


def test_an_executor_of_a_newer_version_is_still_read() -> None:
    """Members that this version does not know are ignored."""
    step = InFlightStep(run_id="r", seq=1, name="s", started_at_ms=5)
    executor = Executor(instance_id="i", executor_id="e", beat_at_ms=7, started_at_ms=1, in_flight=(step,))
    data = json.loads(dump_executor(executor))
    data["mood"] = "good"
    data["in_flight"][0]["color"] = "red"
    assert load_executor(json.dumps(data), beat_at_ms=7) == replace(executor, in_flight_total=1)


def test_an_executors_row_stays_small_whatever_the_process_holds() -> None:
    """Lists are cut, the newest runs are kept, totals tell the truth; a schema that is too large is named without."""
    steps = tuple(InFlightStep(run_id="r" * 40, seq=seq, name="step", started_at_ms=5) for seq in range(5_000))
    schemas = [{"description": "x" * 100}, {"description": "x" * 20_000}, *({"d": "x" * 7_000} for _ in range(50))]
    executor = Executor(
        instance_id="i",
        executor_id="e",
        beat_at_ms=7,
        started_at_ms=1,
        in_flight=steps,
        runs=tuple(f"run-{number}" for number in range(10_000)),
        workflows=tuple(f"workflow-{number}-{'x' * 300}" for number in range(3_000)),
        validators=tuple(UpdateValidator(workflow="w", name=str(n), schema=one) for n, one in enumerate(schemas)),
    )
    text = dump_executor(executor)
    assert len(text) < 600_000
    read = load_executor(text, beat_at_ms=7)
    assert (len(read.in_flight), read.in_flight_total) == (MAX_IN_FLIGHT, 5_000)
    assert (len(read.runs or ()), read.runs_total) == (MAX_RUNS, 10_000)
    assert read.runs is not None
    assert read.runs[-1] == "run-9999"
    assert [one.name for one in read.validators] == [str(number) for number in range(len(schemas))]
    assert read.validators[0].schema == schemas[0]
    assert read.validators[1].schema is None


@pytest.mark.parametrize("text", ["", "zz", "ab", "0" * 31, "0" * 33, "é" * 32])
def test_what_is_not_a_trace_id_has_no_key(text: str) -> None:
    """Anything may come in a URL."""
    assert trace_key(text) is None
