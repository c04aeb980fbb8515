"""The mutation run finds what it is to change: a piece of text that a move took away would be tried no more."""

from __future__ import annotations

import ast

from tests.mutants.changes import mutants, replaced
from tests.mutants.targets import EXPLAINED, NAMED, ROOT, TARGETS


def test_every_target_and_every_named_change_stands_in_the_code() -> None:
    """And each explanation is of a change that would be tried."""
    sources = {name: (ROOT / target.module).read_text() for name, target in TARGETS.items()}
    assert all((ROOT / path.partition("::")[0]).exists() for target in TARGETS.values() for path in target.tests)
    for name, old, new in NAMED:
        changed = replaced(sources[name], old, new)
        assert ast.unparse(changed.tree) != ast.unparse(ast.parse(sources[name]))
    explained = {name.partition(": ")[0] for name in EXPLAINED}
    tried = {f"{name}: {mutant.name}" for name in explained for mutant in mutants(sources[name])}
    assert tried >= EXPLAINED.keys()
