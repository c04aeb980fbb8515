"""Small changes of a module, one at a time. Pure: text in, syntax trees out."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

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
_SUMS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Pow: ast.Mult,
}
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Mutant:
    """A module with one change.

    ``function`` is the name and first line of the function that holds the change; None: it stands outside of all, so
    that only a new import meets it.
    """

    line: int
    what: str
    text: str
    function: tuple[str, int] | None
    tree: ast.Module

    @property
    def name(self) -> str:
        """How ``EXPLAINED`` calls it; no line number in it, so that it outlives other changes of the module."""
        where = self.function[0] if self.function is not None else "module"
        return f"{where}: {self.text}: {self.what}"


def mutants(source: str) -> Iterator[Mutant]:
    """Yield each small change of a module, in the order of its syntax tree."""
    tree = ast.parse(source)
    functions = {id(node): function for function, node in _by_function(tree, None)}
    for number, node in enumerate(ast.walk(tree)):
        for change in _changes(node) if id(node) in functions else ():
            mutated = deepcopy(tree)
            text = ast.unparse(node).split("\n")[0]
            what = change(list(ast.walk(mutated))[number])
            ast.fix_missing_locations(mutated)
            yield Mutant(getattr(node, "lineno", 0), what, text, functions[id(node)], mutated)


def replaced(source: str, old: str, new: str) -> Mutant:
    """Return the module with one piece of its text replaced, on the same lines.

    Raises:
        ValueError: the piece does not stand in it exactly once.
    """
    if source.count(old) != 1:
        raise ValueError(f"{old!r} stands {source.count(old)} times in the module. Name a piece that stands once.")
    line = source[: source.index(old)].count("\n") + 1
    inside = {function for function, node in _by_function(ast.parse(source), None) if _spans(node, line)}
    innermost = max((function for function in inside if function is not None), key=lambda one: one[1], default=None)
    return Mutant(line, f"-> {new}", old, innermost, ast.parse(source.replace(old, new)))


def _spans(node: ast.AST, line: int) -> bool:
    return getattr(node, "lineno", line + 1) <= line <= (getattr(node, "end_lineno", None) or 0)


def _by_function(node: ast.AST, function: tuple[str, int] | None) -> Iterator[tuple[tuple[str, int] | None, ast.AST]]:
    """Yield each node with the function whose body holds it; leave out what is for readers: asserts, types and logs."""
    for field, value in ast.iter_fields(node):
        inner = function
        if isinstance(node, _Function) and field == "body":
            inner = node.name, min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and field not in ("annotation", "returns") and not _is_for_readers(child):
                yield inner, child
                yield from _by_function(child, inner)


def _is_for_readers(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert) or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
        return True
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.BitOr):
        return True  # a type's other name
    return isinstance(node, ast.Expr) and ast.unparse(node).startswith(("log.", "warnings."))


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
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield _call


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
    return f"return {node.value.value!r}"


def _call(node: ast.Expr) -> str:
    node.value = ast.Constant(None)
    return "call removed"
