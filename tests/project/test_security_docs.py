"""What the security documents claim is what tests show: every test that they name exists."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
EXAMPLE = re.compile(r"`(examples/[\w./-]+)`")


@lru_cache(maxsize=64)
def named_tests(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def test_every_test_that_the_security_document_names_exists() -> None:
    """A claim without its test would be a promise only; a row without one is none."""
    text = (ROOT / "docs" / "security.md").read_text()
    named = NAMED.findall(text)
    assert [f"{path}::{name}" for path, name in named if name not in named_tests(path)] == []
    attacks = [line for line in text.split("## Letting people")[0].splitlines() if re.match(r"\| (?!Attack)\S", line)]
    assert all(NAMED.search(row) for row in attacks), [row for row in attacks if not NAMED.search(row)]
    assert len(attacks) >= 40


def test_every_example_that_the_security_document_names_exists() -> None:
    """They are run by tests/http/test_tokens.py and tests/deploy."""
    text = (ROOT / "docs" / "security.md").read_text()
    assert [path for path in EXAMPLE.findall(text) if not (ROOT / path).is_file()] == []
    assert len(EXAMPLE.findall(text)) >= 5


def test_the_security_policy_says_how_to_report_and_what_is_supported() -> None:
    """The three things that people look for."""
    text = (ROOT / "SECURITY.md").read_text()
    assert all(f"## {head}" in text for head in ("Reporting", "Supported versions", "What is promised"))
