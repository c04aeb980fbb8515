"""Changes the deciding modules one operator at a time and counts the changes that no test notices.

    python -m tests.mutants                 # every target; prints the survivors
    python -m tests.mutants retry blocked   # some of them

Each mutant is written into a copy of the package that stands first on the path, so the working tree stays as it is. A
survivor is either a missing test or is explained in ``EXPLAINED``. ``tox -e mutants`` fails at 5 % survivors and above.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MOST_SURVIVORS = 0.05


@dataclass(frozen=True)
class Target:
    """A module, and the tests that are to notice what changes in it."""

    module: str
    tests: tuple[str, ...]


TARGETS = {
    "rewind": Target(
        "dashboard/actions/rewind.py", ("tests/actions/test_rules.py", "tests/actions/test_retry_rules.py")
    ),
    "retry": Target("dashboard/actions/retry.py", ("tests/actions/test_retry_rules.py",)),
    "locks": Target("dashboard/actions/locks.py", ("tests/actions/test_locks.py",)),
    "bulk": Target("dashboard/actions/bulk.py", ("tests/actions/test_bulk_rules.py",)),
    "retention": Target("dashboard/caretaker/retention.py", ("tests/caretaker/test_retention.py",)),
    "guard": Target("dashboard/caretaker/guard.py", ("tests/caretaker/test_guards.py",)),
    "blocked": Target("otel_bridge/runs/blocked.py", ("tests/runs/test_blocked.py", "tests/runs/test_presence.py")),
    "placement": Target("otel_bridge/runs/placement.py", ("tests/runs/test_blocked.py",)),
    "step_check": Target("otel_bridge/runs/step_check.py", ("tests/runs/test_blocked.py",)),
    "allowed": Target("otel_bridge/runs/allowed.py", ("tests/runs/test_allowed.py",)),
    "versions": Target("dashboard/read/versions.py", ("tests/read/test_versions.py",)),
    "tokens": Target("dashboard/workflow/tokens.py", ("tests/workflow/test_tokens.py",)),
    "filters": Target("dashboard/wire/filters.py", ("tests/wire", "tests/read/test_same_runs.py")),
    "delivery": Target("otel_bridge/otlp/delivery.py", ("tests/otlp",)),
    "lives": Target("otel_bridge/spans/lives.py", ("tests/spans",)),
    "steps": Target("otel_bridge/store/steps.py", ("tests/store",)),
    "waiting": Target("otel_bridge/store/waiting.py", ("tests/store",)),
    "auth": Target("dashboard/http/auth.py", ("tests/http",)),
    "hub": Target("dashboard/live/hub.py", ("tests/live",)),
    "ledger": Target("otel_bridge/ledger/tables/exports.py", ("tests/ledger",)),
}

EXPLAINED: dict[str, str] = {}
"""``target:line:change`` -> why no test can notice it."""

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_SUMS: dict[type[ast.operator], type[ast.operator]] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add}


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line, what changed, the module's text) for each small change of a module."""
    tree = ast.parse(source)
    for number, node in enumerate(ast.walk(tree)):
        for change in _changes(node):
            mutated = deepcopy(tree)
            what = change(list(ast.walk(mutated))[number])
            yield getattr(node, "lineno", 0), what, ast.unparse(mutated)


def _changes(node: ast.AST) -> Iterator[Callable[[Any], str]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARISONS:
        yield _compare
    elif isinstance(node, ast.BoolOp):
        yield _bool_op
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield _not
    elif isinstance(node, ast.BinOp) and type(node.op) in _SUMS:
        yield _sum
    elif isinstance(node, ast.If):
        yield _never
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, bool):
        yield _return


def _compare(node: ast.Compare) -> str:
    before = type(node.ops[0])
    node.ops[0] = _COMPARISONS[before]()
    return f"{before.__name__} -> {type(node.ops[0]).__name__}"


def _bool_op(node: ast.BoolOp) -> str:
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return f"-> {type(node.op).__name__}"


def _not(node: ast.UnaryOp) -> str:
    node.operand = ast.UnaryOp(ast.Not(), node.operand)  # twice: as it is
    return "not removed"


def _sum(node: ast.BinOp) -> str:
    before = type(node.op)
    node.op = _SUMS[before]()
    return f"{before.__name__} -> {type(node.op).__name__}"


def _never(node: ast.If) -> str:
    node.test = ast.Constant(False)
    return "if False"


def _return(node: ast.Return) -> str:
    assert isinstance(node.value, ast.Constant)
    node.value = ast.Constant(not node.value.value)
    return f"return {node.value.value}"  # type: ignore[str-bytes-safe]


def survives(target: Target, text: str, copy: Path) -> bool:
    """Say whether the tests pass although the module has this text."""
    path = copy / target.module
    kept = path.read_text()
    path.write_text(text)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *target.tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            timeout=600,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    finally:
        path.write_text(kept)
    return done.returncode == 0


def main(names: list[str]) -> int:
    """Try the mutants of the named targets, or of all; return 1 where too many survive."""
    tried, alive = 0, 0
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "tree"
        ignored = shutil.ignore_patterns("node_modules", ".git", "__pycache__", ".tox")
        shutil.copytree(ROOT, copy, ignore=ignored, symlinks=True)
        for name in names or TARGETS:
            target = TARGETS[name]
            if not survives(target, (copy / target.module).read_text(), copy):
                raise SystemExit(f"The tests of {name} fail on the code as it is.")
            count, found = 0, 0
            for line, what, text in mutants((ROOT / target.module).read_text()):
                count += 1
                if survives(target, text, copy) and f"{name}:{line}:{what}" not in EXPLAINED:
                    found += 1
                    print(f"survived  {target.module}:{line}  {what}", flush=True)
            print(f"{name}: {found} of {count} survived", flush=True)
            tried, alive = tried + count, alive + found
    print(f"all: {alive} of {tried} survived")
    return 1 if tried and alive / tried >= MOST_SURVIVORS else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
