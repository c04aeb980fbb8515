"""What the clients return besides wire models: lists and runs that notebooks draw as tables and pandas takes as frames.

Pure. pandas is imported when ``to_pandas`` is called, and is not a dependency of ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from dashboard.client.times import duration
from dashboard.wire.fleet import ExecutorView, WorkerGroup
from dashboard.wire.json import to_json
from dashboard.wire.runs import RunDetail, RunRow, StepView
from otel_bridge.extras import MissingExtraError

if TYPE_CHECKING:
    from pandas import DataFrame

M = TypeVar("M", bound=BaseModel)

MAX_HTML_ROWS = 100
MAX_CELL_CHARS = 160
_COLUMNS: dict[type[BaseModel], tuple[str, ...]] = {
    RunRow: ("id", "workflow", "status", "created_at", "duration_ms", "queue", "executor", "waiting"),
    StepView: ("seq", "name", "kind", "status", "queue_ms", "duration_ms", "child_run_id", "error", "output"),
    WorkerGroup: ("group", "depth", "running", "oldest_ms", "no_worker"),
    ExecutorView: ("executor_id", "status", "host", "app_version", "last_beat_at", "in_flight_total"),
}
"""Which members a table shows, where a model has more than a page is wide."""


class Rows(list[M]):
    """A list of one kind of row: ``_repr_html_`` for notebooks, ``to_pandas()`` for data frames.

    Example::

        client.run_facets(by="workflow").to_pandas().pivot(index="workflow", columns="status", values="count")
    """

    def __init__(self, kind: type[M], items: Iterable[M] = ()) -> None:
        super().__init__(items)
        self.kind = kind

    def _repr_html_(self) -> str:
        columns = _COLUMNS.get(self.kind, tuple(self.kind.model_fields))
        rows = [[_cell(name, getattr(row, name)) for name in columns] for row in self[:MAX_HTML_ROWS]]
        more = len(self) - MAX_HTML_ROWS
        return _table([name.removesuffix("_at").removesuffix("_ms") for name in columns], rows) + (
            f"<p>and {more} more</p>" if more > 0 else ""
        )

    def to_pandas(self) -> DataFrame:
        """Return a data frame: a row each, nested members as ``waiting.on``, times as UTC timestamps.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError("to_pandas() needs", "pandas", "pip install pandas") from error
        plain = [row.model_dump(by_alias=False) for row in self]
        frame = pandas.json_normalize(plain) if plain else pandas.DataFrame(columns=list(self.kind.model_fields))
        for name in frame.columns:
            if name == "at" or name.endswith(("_at", ".since", ".until")):
                frame[name] = pandas.to_datetime(frame[name], utc=True, format="ISO8601", errors="coerce")
        return frame


@dataclass(frozen=True)
class RunListPage:
    """One page of runs, newest first. ``next_cursor`` is None on the last one."""

    runs: Rows[RunRow]
    next_cursor: str | None

    def _repr_html_(self) -> str:
        return self.runs._repr_html_()

    def to_pandas(self) -> DataFrame:
        """Return the page's runs as a data frame. See ``Rows.to_pandas``."""
        return self.runs.to_pandas()


class RunReport(RunDetail):
    """A run, its timeline, children and lineage; in a notebook, its facts and the timeline as a table."""

    @property
    def steps(self) -> Rows[StepView]:
        """The timeline without the engine's housekeeping."""
        return Rows(StepView, (step for step in self.timeline if not step.housekeeping))

    def _repr_html_(self) -> str:
        run = self.run
        error = f": {run.error.type or 'error'}: {run.error.message}" if run.error is not None else ""
        head = f"{run.id}, {run.workflow}, {run.status}{error}"
        took = f", took {duration(run.duration_ms)}" if run.duration_ms is not None else ""
        return f"<p><b>{escape(head)}</b>{escape(took)}</p>{self.steps._repr_html_()}"

    def to_pandas(self) -> DataFrame:
        """Return the timeline as a data frame. See ``Rows.to_pandas``."""
        return self.steps.to_pandas()


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if name.endswith("_ms") and isinstance(value, int):
        return duration(value)
    text = value if isinstance(value, str) else json.dumps(json.loads(to_json(value)), ensure_ascii=False)
    text = text.encode("utf-8", "backslashreplace").decode()  # half a character has no UTF-8, which notebooks send
    return text if len(text) <= MAX_CELL_CHARS else text[: MAX_CELL_CHARS - 1] + "…"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
