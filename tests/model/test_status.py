"""The table of statuses, and that it is the only one."""

import ast
import re
from pathlib import Path

import pytest
from dbos import WorkflowStatusString

from otel_bridge.model import status
from otel_bridge.model.status import RUN_STATUSES, STATUSES, status_of

ROOT = Path(__file__).resolve().parents[2]
YES, NO = True, False


@pytest.mark.parametrize(
    ("name", "ended", "is_open", "retriable", "cancellable", "held", "may_be_blocked"),
    [
        ("pending", NO, YES, NO, YES, NO, YES),
        ("running", NO, YES, NO, YES, YES, YES),
        ("suspended", NO, YES, NO, YES, YES, YES),
        ("cancelling", YES, YES, NO, NO, NO, NO),
        ("completed", YES, NO, NO, NO, NO, NO),
        ("failed", YES, NO, YES, NO, NO, NO),
        ("cancelled", YES, NO, YES, NO, NO, NO),
        ("dead", YES, NO, YES, NO, NO, NO),
        ("blocked", NO, YES, NO, YES, YES, NO),
    ],
)
def test_what_each_status_means(name, ended, is_open, retriable, cancellable, held, may_be_blocked):
    facts = STATUSES[name]
    assert (facts.ended, facts.open, facts.retriable) == (ended, is_open, retriable)
    assert (facts.cancellable, facts.held, facts.may_be_blocked) == (cancellable, held, may_be_blocked)
    assert (name in status.ENDED_STATUSES, name in status.OPEN_STATUSES) == (ended, is_open)
    assert (name in status.TERMINAL_STATUSES) == (not is_open)
    assert (name in status.RETRIABLE_STATUSES, name in status.CANCELLABLE_STATUSES) == (retriable, cancellable)
    assert (name in status.HELD_STATUSES, name in status.BLOCKABLE_STATUSES) == (held, may_be_blocked)


def test_the_table_has_every_status_in_the_order_of_the_vocabulary():
    assert tuple(STATUSES) == RUN_STATUSES


def test_every_word_of_the_engine_is_a_status_and_leads_back_to_itself():
    """The installed engine's words, so that a new one is noticed."""
    for word in (member.value for member in WorkflowStatusString):
        assert word in STATUSES[status_of(word)].engine
    assert status_of("PENDING") == "running"  # what a run waits for is looked at later
    assert {*status.ENGINE_OPEN, *status.ENGINE_FAILED, "SUCCESS"} == {w.value for w in WorkflowStatusString}


@pytest.mark.parametrize(("word", "expected"), [("RETRIES_EXCEEDED", "dead"), ("NEW", "running"), (None, "running")])
def test_words_that_the_installed_engine_does_not_write(word, expected):
    assert status_of(word) == expected


def test_no_other_module_lists_statuses():
    """A set, tuple or list of two statuses or more, or SQL that lists the engine's words, is a copy of the table."""
    copies = []
    tables = [ROOT / f"otel_bridge/model/{name}.py" for name in ("status", "steps")]  # of runs, and of steps
    tables.append(ROOT / "otel_bridge/store/engine_schema.py")  # the engine's own text
    for package in ("otel_bridge", "dashboard"):
        for path in (ROOT / package).rglob("*.py"):
            if path not in tables and "node_modules" not in path.parts:
                copies += [f"{path.relative_to(ROOT)}:{line}" for line in _listed(ast.parse(path.read_text()))]
    assert copies == []


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("CANCELLED_STATUSES", {"cancelled", "cancelling"}),
        ("RETURNED_STATUSES", {"completed", "failed"}),
        ("STOPPED_STATUSES", {"cancelled", "dead"}),
        ("BY_ROW_STATUSES", {"pending", "completed"}),
        ("CANCELLED_WITH_PARENT_STATUSES", {"pending", "running", "suspended", "blocked", "dead"}),
        ("UNDOABLE_STATUSES", set(RUN_STATUSES) - {"completed", "cancelling"}),
        ("RATED_STATUSES", {"completed", "failed", "dead"}),
    ],
)
def test_sets_made_from_the_table(name, members):
    assert getattr(status, name) == members


def test_a_run_is_shown_as_its_rows_say_or_as_blocked():
    assert status.shown_as("pending") == {"pending", "blocked"}
    assert status.shown_as("running") == {"running", "blocked"}
    assert status.shown_as("failed") == {"failed"}


def test_the_page_lists_no_statuses_either():
    """It reads what is true of each from ``statuses.json``, which is made from the table."""
    written = re.compile(
        rf"[\[(]\s*\"(?:{'|'.join(RUN_STATUSES)})\"\s*(?:as const)?,\s*\"(?:{'|'.join(RUN_STATUSES)})\""
    )
    sources = ROOT / "dashboard" / "frontend" / "src"
    allowed = {"api/wire.ts", "pages/runs/StatusChips.tsx", "pages/run/GraphNodes.tsx"}
    found = {
        str(path.relative_to(sources))
        for path in sources.rglob("*.ts*")
        if not path.name.endswith(".d.ts") and written.search(path.read_text(encoding="utf-8"))
    }
    assert found - allowed == set()


WORDS = frozenset(RUN_STATUSES)
ENGINE_WORDS = frozenset(member.value for member in WorkflowStatusString)
IN_SQL = re.compile(rf"\bIN\s*\(\s*'(?:{'|'.join(ENGINE_WORDS)})'\s*,", re.IGNORECASE)


@pytest.mark.parametrize(
    ("source", "lists"),
    [
        ('ENDED = {"completed", "failed"}', True),
        ('if run.status in ("cancelled", "cancelling"): pass', True),
        ("WORDS = ['PENDING', 'ENQUEUED']", True),
        ("sql = f\"SELECT 1 FROM {table} WHERE status IN ('ENQUEUED', 'PENDING')\"", True),
        ('Ended = Literal["completed", "failed"]', False),
        ('if run.status == "completed": pass', False),
        ("sql = \"SELECT 1 WHERE status = 'ENQUEUED'\"", False),
    ],
)
def test_what_counts_as_a_list_of_statuses(source, lists):
    assert bool(_listed(ast.parse(source))) is lists


def _listed(tree: ast.AST) -> list[int]:
    types = {id(node.slice) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Set, ast.Tuple, ast.List)) and id(node) not in types and len(node.elts) >= 2:
            values = {item.value if isinstance(item, ast.Constant) else None for item in node.elts}
            if values <= WORDS or values <= ENGINE_WORDS:
                lines.append(node.lineno)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and IN_SQL.search(node.value):
            lines.append(node.lineno)
    return lines
