"""The registry of faults and the table of their outcomes. Pure.

A fault is a function that takes a ``Scene``, makes something go wrong, and returns the ``Row`` of what came of it::

    @fault("collector")
    def html_with_status_200(scene: Scene) -> Row:
        \"\"\"A captive portal answers 200 with its login page: spans wait.\"\"\"
        ...
        return scene.row()

Its name and the first line of its docstring are what the table says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.chaos.scene import Scene

Database = Literal["sqlite", "postgres"] | None
"""None: the fault needs no database."""

MORE_THREADS, MORE_DESCRIPTORS, MORE_MEMORY_MB = 2, 4, 60
"""What a process may have more than before a fault: a pool's idle thread, a kept connection, an allocator's reserve."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a process holds: from ``/proc``."""

    threads: int
    descriptors: int
    memory_mb: int


@dataclass(slots=True, kw_only=True)
class Row:
    """What came of one fault; None where the fault does not touch it.

    Args:
        owed: spans that must arrive, out of the engine's own rows.
        received: those of them that did.
        doubled: copies beyond the first. The promise is at least once, so equal copies are no fault.
        differing: spans whose copies differ.
        asked, passed: the application's own workflows, and those that ended as they should.
        before, after: vitals of the process that met the fault.
        note: what else is worth a column.
        wrong: what must not have happened, one sentence each.
    """

    owed: int | None = None
    received: int | None = None
    doubled: int = 0
    differing: int = 0
    asked: int | None = None
    passed: int | None = None
    before: Vitals | None = None
    after: Vitals | None = None
    note: str = ""
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int | None:
        """Spans owed that did not arrive."""
        return None if self.owed is None or self.received is None else self.owed - self.received

    def problems(self) -> list[str]:
        """Return what is wrong with this outcome; empty when nothing is."""
        found = list(self.wrong)
        if self.owed == 0:
            found.append("no span was owed: the fault tried nothing")
        if self.lost:
            found.append(f"{self.lost} of {self.owed} spans are lost")
        if self.differing:
            found.append(f"{self.differing} spans arrived with differing copies")
        if self.asked is not None and self.passed != self.asked:
            found.append(f"{self.passed} of {self.asked} workflows of the application passed")
        if self.before is not None and self.after is not None:
            found += _grown("threads", self.before.threads, self.after.threads, MORE_THREADS)
            found += _grown("descriptors", self.before.descriptors, self.after.descriptors, MORE_DESCRIPTORS)
            found += _grown("MB of memory", self.before.memory_mb, self.after.memory_mb, MORE_MEMORY_MB)
        return found


def _grown(what: str, before: int, after: int, slack: int) -> list[str]:
    return [f"{after} {what} after, {before} before"] if after > before + slack else []


@dataclass(frozen=True, slots=True)
class Fault:
    """One registered fault."""

    run: Callable[[Scene], Row]
    area: str
    database: Database

    @property
    def name(self) -> str:
        """The function's name, in words."""
        return self.run.__name__.replace("_", " ")

    @property
    def says(self) -> str:
        """What goes wrong and what must come of it."""
        return (self.run.__doc__ or "").strip().partition("\n")[0]


FAULTS: list[Fault] = []
"""Every fault that was registered."""
OUTCOMES: list[tuple[Fault, Row]] = []
"""What came of those that this process has tried."""


def fault(area: str, *, database: Database = "sqlite") -> Callable[[Callable[[Scene], Row]], Callable[[Scene], Row]]:
    """Register a fault; ``area`` groups the table."""

    def register(run: Callable[[Scene], Row]) -> Callable[[Scene], Row]:
        FAULTS.append(Fault(run, area, database))
        return run

    return register


COLUMNS = (
    "area", "fault", "spans owed", "received", "lost", "doubled", "workflows passed", "threads", "descriptors", "MB",
    "s", "outcome",
)  # fmt: skip


def cells(fault: Fault, row: Row) -> list[str]:
    """Return one line of the table."""

    def number(value: int | None) -> str:
        return "" if value is None else str(value)

    def change(name: str) -> str:
        if row.before is None or row.after is None:
            return ""
        return f"{getattr(row.before, name)} → {getattr(row.after, name)}"

    passed = "" if row.asked is None else f"{row.passed} of {row.asked}"
    outcome = "; ".join(row.problems()) or "held"
    return [
        fault.area, fault.name, number(row.owed), number(row.received), number(row.lost), str(row.doubled), passed,
        change("threads"), change("descriptors"), change("memory_mb"), f"{row.seconds:.0f}",
        f"{outcome} ({row.note})" if row.note else outcome,
    ]  # fmt: skip


def markdown(outcomes: Iterable[tuple[Fault, Row]]) -> str:
    """Return the table."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(cells(fault, row) for fault, row in outcomes)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
