"""What each filter of the run list means, over one run. ``tests/read/test_same_runs.py`` compares it with the SQL."""

from typing import Any

import pytest

from otel_bridge.model.matching import matches, number_of
from otel_bridge.model.runs import AttributeFilter, Run, RunQuery, Waiting
from otel_bridge.testing import make_run

NOW_MS = 1_700_000_100_000


def passes(run: Run, **asked: Any) -> bool:
    return matches(run, RunQuery(**asked), now_ms=NOW_MS)


def has(value: object, op: Any, wanted: str, key: str = "k") -> bool:
    run = make_run(attributes={"k": value})
    return passes(run, attributes=(AttributeFilter(key, op, wanted),))


@pytest.mark.parametrize(
    ("op", "wanted", "matching", "other"),
    [
        ("eq", "3", [3, 3.0, "3"], [4, "3.0", "03"]),
        ("ne", "3", [4, "3.0", "a", True], [3, "3"]),
        ("gt", "3", [10, 3.1, "30", "a"], [3, -10, "10"]),
        ("gte", "3", [3, 3.0, "3"], [2.9]),
        ("lt", "3", [-1, 2.9, "10"], [3, 10]),
        ("lte", "3", [3, "3"], [30]),
        ("eq", "large", ["large"], ["Large", 1, True]),
        ("ne", "large", ["Large", 1, True], ["large"]),
        ("gt", "b", ["c", "true", True], ["a", "B", 99]),
        ("eq", "true", [True, "true"], [False, "True", 1]),
        ("eq", "1e2", [100], ["100"]),
        ("eq", "nan", ["nan"], [1]),
        ("lt", "inf", ["a"], [1]),
        ("gt", "1e300", [10**400], [-(10**400), 1e300]),
        ("eq", "9007199254740992", [2**53, 2**53 + 1], [2**53 + 2]),  # equal in 64-bit floating point
    ],
)
def test_numbers_compare_as_numbers_and_text_as_text(op, wanted, matching, other):
    """10 is more than 3, as a number and not as text."""
    assert [value for value in matching if not has(value, op, wanted)] == []
    assert [value for value in other if has(value, op, wanted)] == []


@pytest.mark.parametrize("op", ["eq", "ne", "gt", "gte", "lt", "lte"])
@pytest.mark.parametrize("value", [None, [], ["3"], {}, {"a": 3}])
def test_what_is_neither_text_nor_number_never_matches(op, value):
    """Nor does an attribute that is not there."""
    assert not has(value, op, "3")
    assert not has(3, op, "3", key="other")


@pytest.mark.parametrize(
    ("text", "number"),
    [("10", 10.0), ("-1.50", -1.5), ("+.5", 0.5), ("5.", 5.0), ("1E3", 1000.0), ("1e-400", 0.0)]
    + [(text, None) for text in ("", " 1", "1 ", "1_0", "0x1", "nan", "inf", "1e999", "1e", ".", "-", "\u0661")],
)
def test_what_reads_as_a_number(text, number):
    """What JSON would call one, with the signs and dots that people type; nothing that only Python takes."""
    assert number_of(text) == number


def test_tags_must_all_be_there():
    """Repeating a tag narrows. Only a list of strings holds tags."""
    run = make_run(attributes={"tags": ["a", "b", 1, None]})
    assert passes(run, tags=("a", "b"))
    assert not passes(run, tags=("a", "c"))
    assert not passes(run, tags=("1",))
    assert not passes(make_run(attributes={"tags": "ab"}), tags=("a",))


@pytest.mark.parametrize(
    ("text", "found"), [("run", True), ("Run", False), ("ORD", True), ("rde", True), ("ärger", False), ("Ärger", True)]
)
def test_a_search_knows_upper_and_lower_case_of_a_to_z_in_names_alone(text, found):
    """SQLite folds no other letters, so nothing does."""
    assert passes(make_run("run-1", workflow="Order of Ärger"), text=text) is found


@pytest.mark.parametrize(
    ("run", "ms"),
    [
        (make_run(status="running", created_at_ms=NOW_MS - 90, started_at_ms=NOW_MS - 60), 60),
        (make_run(status="suspended", created_at_ms=NOW_MS - 90, started_at_ms=NOW_MS - 60), 60),
        (make_run(status="blocked", created_at_ms=NOW_MS - 90, started_at_ms=NOW_MS - 60), 60),
        (make_run(status="running", created_at_ms=NOW_MS - 90, started_at_ms=None), 90),
        (make_run(status="completed", created_at_ms=0, started_at_ms=10, finished_at_ms=70), 60),
        (make_run(status="cancelled", created_at_ms=10, started_at_ms=None, finished_at_ms=70), 60),
    ],
)
def test_a_run_lasts_from_its_start_to_its_end_or_to_now(run, ms):
    """The boundary itself is long enough."""
    assert passes(run, min_duration_ms=ms)
    assert not passes(run, min_duration_ms=ms + 1)


@pytest.mark.parametrize("status", ["pending", "blocked", "cancelling"])
def test_a_run_that_waits_in_a_queue_has_not_begun_to_last(status):
    """Whatever it is shown as meanwhile."""
    run = make_run(status=status, created_at_ms=0, finished_at_ms=None, waiting=Waiting("queue", "q", 0))
    assert not passes(run, min_duration_ms=0)


@pytest.mark.parametrize("field", ["queue", "executor", "version", "parent_id", "namespace"])
def test_an_empty_filter_finds_the_runs_that_have_none(field: str):
    """So that runs without a parent, or without a queue, can be asked for."""
    name = "workflow_version" if field == "version" else field

    def made(value: str | None) -> Run:
        return make_run(**{name: value})  # type: ignore[arg-type]

    assert passes(made(None), **{field: ""})
    assert not passes(made("x"), **{field: ""})
    assert passes(made("x"), **{field: "x"})
    assert not passes(made(None), **{field: "x"})


def test_a_filter_for_nothing_matches_nothing():
    assert not passes(make_run(), nothing=True)
