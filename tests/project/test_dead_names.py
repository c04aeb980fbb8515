"""Names that nobody uses: constants and functions of the product that are written once and read nowhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCT = ("dashboard", "otel_bridge")
READERS = (*PRODUCT, "tests", "examples", ".ci")
NAMED = re.compile(r"(?m)^(?:(?:async )?def )?(\w+)(?:\(|(?:: [^=\n]+)? = )")
DECORATED = re.compile(r"(?m)^(?:@.*|\)(?: ->.*)?)\n(?:async )?def \w+")
"""A function that a decorator registers is called by its registry."""


def sources(*folders: str) -> Iterator[Path]:
    """Yield the Python files below these folders."""
    for folder in folders:
        yield from (path for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts)


def test_no_constant_or_function_of_a_module_stands_there_unused() -> None:
    """A name that is found once in all of the code is only its own definition."""
    words: Counter[str] = Counter()
    for path in (*sources(*READERS), ROOT / "pyproject.toml"):
        words.update(re.findall(r"\w+", path.read_text()))
    dead = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(*PRODUCT)
        for name in NAMED.findall(DECORATED.sub("", path.read_text()))
        if words[name] == 1
    ]
    assert dead == []
