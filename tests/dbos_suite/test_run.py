"""The comparison itself: a suite of two tests in place of DBOS's, one of which the instrumentor would break."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import run  # type: ignore[import-not-found]  # noqa: E402

MINI = """
from dbos import DBOS
from otel_bridge import DBOSInstrumentor

def test_works(tmp_path):
    DBOS(config={"name": "mini", "system_database_url": f"sqlite:///{tmp_path / 'a.sqlite'}"})

    @DBOS.workflow()
    def job():
        return 1

    DBOS.launch()
    assert job() == 1
    DBOS.destroy(destroy_registry=True)

def test_plain_only():
    assert not DBOSInstrumentor().is_instrumented_by_opentelemetry
"""


@pytest.fixture
def suite(tmp_path: Path) -> list[str]:
    """A suite of a few tests, as the options that name it and a place for its results."""
    folder = tmp_path / "suite"
    (folder / "tests").mkdir(parents=True)
    (folder / "tests" / "test_mini.py").write_text(MINI)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return ["--sdist", str(folder), "--results", str(tmp_path / "results")]


def test_a_test_that_only_passes_without_the_instrumentor_is_named_and_fails_the_run(
    suite: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Both runs are counted; what is lost is run again before it is called broken."""
    assert run.main([*suite, "--tries", "1", "test_mini"]) == 1
    lines = capsys.readouterr().out.splitlines()
    (row,) = [line.split() for line in lines if line.startswith("test_mini")]
    assert row == ["test_mini", "2", "1", "0", "0", "1", "0"]
    assert [line.split() for line in lines if "BROKEN" in line] == [["BROKEN", "tests.test_mini::test_plain_only"]]


def test_a_test_of_the_engines_own_spans_is_counted_apart(
    suite: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is expected to be lost, and fails nothing."""
    monkeypatch.setattr(run, "BY_DESIGN", frozenset({"test_plain_only"}))
    assert run.main([*suite, "test_mini"]) == 0
    (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("test_mini")]
    assert row == ["test_mini", "2", "1", "1", "0", "1", "0"]


def test_a_file_that_does_not_end_is_named_and_fails_the_run(
    suite: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no results to compare, which is not the same as none lost."""
    assert run.main([*suite, "--limit-s", "0", "test_mini"]) == 1
    assert capsys.readouterr().out.count("UNFINISHED") == 2
