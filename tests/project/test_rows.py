"""Rows have names: no column of a row is read by its number."""

from __future__ import annotations

import ast

import pytest

from tests.programs import ROOT


@pytest.mark.parametrize(
    ("source", "by_number"),
    [
        ("status = row[21]", True),
        ("status = other_row[0]", True),
        ("count = rows[0][0]", True),
        ("count = self.read(COUNT)[0][0]", True),
        ("decode = lambda row: str(row[0])", True),
        ("first = rows[0]", False),
        ("status = row.status", False),
        ("((count,),) = self.read(COUNT)", False),
        ("beginning = row[:3]", False),
        ('value = row["name"]', False),
    ],
)
def test_what_counts_as_a_column_by_its_number(source: str, by_number: bool) -> None:
    assert bool(_by_number(ast.parse(source))) is by_number


def test_no_column_is_read_by_its_number() -> None:
    """A number type-checks whatever stands there; a name, or an unpacked row, fails where a column is added."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for package in ("otel_bridge", "dashboard")
        for path in sorted((ROOT / package).rglob("*.py"))
        if "node_modules" not in path.parts
        for line in _by_number(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def _by_number(tree: ast.AST) -> list[int]:
    numbered = [node for node in ast.walk(tree) if isinstance(node, ast.Subscript) and _is_number(node.slice)]
    return [node.lineno for node in numbered if _is_row(node.value)]


def _is_row(value: ast.expr) -> bool:
    if isinstance(value, ast.Subscript):
        return _is_number(value.slice)  # a row of rows
    name = value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""
    return name == "row" or name.endswith("_row")


def _is_number(node: ast.expr) -> bool:
    value = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(value, ast.Constant) and type(value.value) is int
