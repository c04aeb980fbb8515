"""What the client returns is drawn by notebooks and taken by pandas."""

from __future__ import annotations

import builtins
from typing import Any

import nbformat
import pandas
import pytest
from nbclient import NotebookClient

from dashboard.client import DurableClient, Rows, RunReport
from dashboard.client.results import MAX_HTML_ROWS
from dashboard.wire.runs import FacetView, RunRow
from otel_bridge.extras import MissingExtraError
from tests.client.orders import place_order
from tests.waiting import until

TIME = "2026-01-01T00:00:00.000Z"


def row(**members: Any) -> RunRow:
    """Return a run's row."""
    least = {
        "id": "r",
        "workflow": "w",
        "status": "failed",
        "recovery_attempts": 1,
        "tags": [],
        "allowed": [],
        "trace_id": "0",
    }
    return RunRow.model_validate({**least, "search_attributes": {}, "created_at": TIME, "updated_at": TIME, **members})


def test_a_page_of_runs_is_a_table_and_a_frame(client: DurableClient, shop: str) -> None:
    """The frame has a row per run, its times are times, and attributes are columns."""
    run_id = place_order(shop, total=787)
    page = until(lambda: (found := client.list_runs(q=run_id)).runs and found)
    assert f"<td>{run_id}</td><td>fulfil_order</td>" in page._repr_html_()
    frame = page.to_pandas()
    assert list(frame["id"]) == [run_id]
    assert frame["created_at"].dt.tz is not None
    assert frame["search_attributes.total_eur"][0] == 787


def test_a_run_is_its_facts_and_its_timeline(client: DurableClient) -> None:
    """The error in the head, a row per step, the engine's housekeeping left out."""
    run_id = client.start_run("refund_order", ["order-nb", 12]).run_id
    until(lambda: client.get_run(run_id).run.status == "failed")
    report = client.get_run(run_id)
    assert isinstance(report, RunReport)
    html = report._repr_html_()
    assert "BankUnreachable" in html.split("<table>")[0]
    assert "<td>look_up_payment</td>" in html
    assert set(report.to_pandas()["name"]) == {step.name for step in report.timeline if not step.housekeeping}


def test_nothing_that_a_run_says_becomes_markup() -> None:
    """Ids, names and payloads are text."""
    html = Rows(RunRow, [row(id="<script>alert(1)</script>", workflow='"><b>')])._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<b>" not in html


def test_half_a_character_is_shown_as_an_escape() -> None:
    """A notebook sends what it shows as UTF-8, in which it has no place."""
    html = Rows(RunRow, [row(id="\ud800", waiting={"on": "signal", "name": "\udfff", "since": TIME})])._repr_html_()
    html.encode("utf-8")
    assert "\\ud800" in html
    assert "\\udfff" in html


def test_a_long_list_is_cut_and_says_so() -> None:
    """A notebook stays usable."""
    html = Rows(RunRow, [row(id=f"r{number}") for number in range(MAX_HTML_ROWS + 7)])._repr_html_()
    assert html.count("<tr>") == MAX_HTML_ROWS + 1
    assert "and 7 more" in html


def test_no_rows_are_a_frame_with_the_columns_that_rows_would_have() -> None:
    """So that what reads a column of it does not fail."""
    frame = Rows(FacetView).to_pandas()
    assert list(frame.columns) == ["status", "workflow", "count", "exact", "origin"]
    assert len(frame) == 0


def test_times_beyond_what_pandas_holds_are_no_time() -> None:
    """The year 9999 is what the wire makes of a stamp out of range."""
    frame = Rows(RunRow, [row(), row(finished_at="9999-12-31T23:59:59.999Z")]).to_pandas()
    assert frame["created_at"][0] == pandas.Timestamp(TIME)
    assert isinstance(frame["finished_at"].dtype, pandas.DatetimeTZDtype)


def test_without_pandas_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is an ImportError and names the command."""
    real = builtins.__import__

    def refusing(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(MissingExtraError, match="pip install pandas") as missing:
        Rows(FacetView).to_pandas()
    assert isinstance(missing.value, ImportError)


def test_a_notebook_shows_runs_as_tables_and_frames(base_url: str, client: DurableClient, shop: str) -> None:
    """A real kernel executes the cells; their outputs are what a reader sees."""
    run_id = place_order(shop, total=788)
    until(lambda: client.list_runs(q=run_id).runs)
    book = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    cells = (
        f"from dashboard.client import DurableClient\nclient = DurableClient({base_url!r})",
        f"client.list_runs(q={run_id!r})",
        f"client.list_runs(q={run_id!r}).to_pandas()[['id', 'workflow']]",
        f"client.get_run({run_id!r})",
    )
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]  # type: ignore[no-untyped-call]
    NotebookClient(book, timeout=120, kernel_name="python3").execute()
    shown = [cell.outputs[0].data["text/html"] for cell in book.cells[1:]]
    assert all("<table" in html for html in shown)
    assert all(run_id in html for html in shown)
    assert 'class="dataframe"' in shown[1]
