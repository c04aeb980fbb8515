"""What is printed: tables that fit, trees, colours, and nothing that acts on the terminal."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, cast

import click
import pytest

from dashboard.cli.session import CliSession, json_text
from dashboard.cli.text import brief, cells, coloured, cut, facts, plain, runs_table, since, table
from dashboard.cli.tree import FOLD_FROM, run_text
from dashboard.cli.versions import moved_text, versions_table
from dashboard.client import DurableClient, RefusedError, Rows
from dashboard.wire.actions import MoveAnswer
from dashboard.wire.fleet import VersionView
from dashboard.wire.runs import RunDetail, RunRow

NOW = datetime(2026, 1, 1, 0, 0, 5, tzinfo=timezone.utc)
TIME = "2026-01-01T00:00:00.000Z"


def row(run_id: str = "r", **members: Any) -> dict[str, Any]:
    """Return a run as the wire has it."""
    least = {"id": run_id, "workflow": "order", "status": "completed", "recoveryAttempts": 1, "tags": [], "allowed": []}
    times = {"createdAt": TIME, "updatedAt": TIME}
    return {**least, **times, "searchAttributes": {}, "traceId": "0" * 32, **members}


def step(seq: int, name: str = "charge", **members: Any) -> dict[str, Any]:
    """Return a step as the wire has it."""
    least = {"runId": "r", "seq": seq, "name": name, "kind": "local", "status": "completed", "stepId": f"r/{seq}"}
    return {**least, "attempts": 1, "housekeeping": False, "spanId": "0" * 16, **members}


def detail(
    *timeline: dict[str, Any],
    children: tuple[dict[str, Any], ...] = (),
    attempts: tuple[dict[str, Any], ...] = (),
    **run: Any,
) -> RunDetail:
    """Return a run with its steps."""
    document = {
        "run": row(**run),
        "timeline": timeline,
        "stepsTotal": len(timeline),
        "childrenTotal": 0,
        "children": [child["id"] for child in children],
        "childRuns": children,
        "lineage": {"forks": []},
        "attempts": attempts,
    }
    return RunDetail.model_validate(document)


def drawn(shown: RunDetail, *, whole: bool = False, width: int | None = None, **below: RunDetail) -> list[str]:
    """Return the lines of a run's tree, less the facts above it and the colours."""
    text = run_text(shown, url=None, now=NOW, width=width, children=below, whole=whole)
    return [line.rstrip() for line in click.unstyle(text).split("\n\n")[1].splitlines()]


@pytest.mark.parametrize(
    ("on", "until", "says"),
    [
        ("signal", "2026-01-01T01:57:05.000Z", "signal courier, times out in 1 h 57 m"),
        ("sleep", "2026-01-03T03:00:05.000Z", "sleep courier, wakes in 2 d 3 h"),
        ("delay", "2026-01-01T00:04:05.000Z", "delay courier, starts in 4m"),
        ("breakpoint", None, "breakpoint courier"),
    ],
)
def test_a_wait_says_how_long_it_still_is(on: str, until: str | None, says: str) -> None:
    """In two units from an hour on; the same in the list and of one run."""
    waiting = {"on": on, "name": "courier", "since": TIME} | ({"until": until} if until else {})
    members: dict[str, Any] = {"status": "suspended", "waiting": waiting}
    line = click.unstyle(runs_table([RunRow.model_validate(row(**members))], now=NOW, width=None)).splitlines()[1]
    assert line.endswith(f"  {says}")
    shown = click.unstyle(run_text(detail(**members), url=None, now=NOW, width=None, children={}, whole=False))
    assert f"suspended, waits for {says}\n" in shown


@pytest.mark.parametrize(
    ("ms", "rounded", "says"),
    [(3000, {"roundedMs": 1000}, "3 s ±1 s"), (0, {"roundedMs": 1000}, "< 1 s"), (3000, {}, "3 s")],
)
def test_a_time_of_whole_seconds_says_how_far_off_it_is(ms: int, rounded: dict[str, Any], says: str) -> None:
    """As the page does."""
    shown = run_text(detail(durationMs=ms, **rounded), url=None, now=NOW, width=None, children={}, whole=False)
    line = next(line for line in click.unstyle(shown).splitlines() if "Took" in line)
    assert line.partition("Took")[2].strip(" :") == says


def test_a_table_is_cut_to_the_terminal_but_for_its_first_column() -> None:
    """The widest column gives first; an id stays whole, because it is copied."""
    run_id = "0123456789abcdef0123456789abcdef"
    runs = [RunRow.model_validate(row(run_id, workflow="a_workflow_with_a_very_long_name_indeed", durationMs=61_000))]
    whole = click.unstyle(runs_table(runs, now=NOW, width=None)).splitlines()[1]
    assert whole.split() == [run_id, "a_workflow_with_a_very_long_name_indeed", "completed", "5s", "ago", "1m", "01s"]
    for width in (120, 100, 90, 80):
        lines = runs_table(runs, now=NOW, width=width).splitlines()
        assert all(cells(line) <= width for line in lines)
        assert run_id in lines[1]
    assert "…" in lines[1]


def test_a_status_is_cut_last() -> None:
    """It is what one looks for; what stands beside it can be read elsewhere."""
    cells_of = ["a-run-of-a-long-name", "remote", "completed", "a result that is long"]
    lines = click.unstyle(table(["STEP", "KIND", "STATUS", "RESULT"], [cells_of], width=50)).splitlines()
    assert lines[1].split() == ["a-run-of-a-long-name", "remote", "completed", "a", "result…"]


@pytest.mark.parametrize("width", [60, 50, 40])
def test_in_a_narrow_terminal_the_other_columns_stand_below_the_first(width: int) -> None:
    """An id of 36 characters leaves no room beside it: nothing is lost, and no line is longer than the terminal."""
    run_id = "5b1d3d1c-6a52-4a4f-9d7e-0d9c7e4f8a11"
    waiting = {"on": "signal", "name": "courier", "since": TIME}
    runs = [RunRow.model_validate(row(run_id, status="suspended", waiting=waiting))]
    shown = runs_table(runs, now=NOW, width=width)
    assert all(cells(line) <= width for line in shown.splitlines())
    lines = click.unstyle(shown).splitlines()
    assert [lines[0], *lines[2:3]] == ["RUN", run_id]
    assert len(lines) == 4
    assert all(part in lines[3] for part in ("order"[:2], "sus", "5s", "sig")), lines[3]


def test_in_a_narrow_terminal_a_tree_stays_a_tree() -> None:
    """What a step has besides its name stands below the name, beside the branches that go on."""
    rows = [["├─ 1 charge", "local", "completed"], ["│  └─ child-of-a-long-name", "run", "failed"], ["└─ both", "", ""]]
    assert click.unstyle(table(["STEP", "KIND", "STATUS"], rows, width=26)).splitlines() == [
        "STEP",
        "  KIND   STATUS",
        "├─ 1 charge",
        "│    local  completed",
        "│  └─ child-of-a-long-name",
        "│       run    failed",
        "└─ both",
    ]


def test_a_table_that_cannot_fit_stays_readable() -> None:
    """No column is cut to nothing, and the first never."""
    lines = click.unstyle(table(["ID", "TEXT", "MORE"], [["x" * 50, "y" * 50, "z" * 50]], width=4)).splitlines()
    assert lines[2:] == ["x" * 50, "  yy…  zz…"]


def test_facts_go_on_in_the_next_line_and_an_address_stays_whole() -> None:
    """What was cut from an error or an address could not be read anywhere else on the terminal."""
    address = "https://ops.example.com/durable/runs/5b1d3d1c-6a52-4a4f-9d7e-0d9c7e4f8a11"
    shown = facts([("Error", "ValueError: the bank does not answer"), ("Page", address)], width=30)
    assert shown.splitlines() == ["Error: ValueError: the bank", "       does not answer", f"Page:  {address}"]


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("日本", 4), (click.style("ok", fg="green"), 2), ("é", 1)])
def test_the_width_of_a_text_is_what_it_takes_on_a_terminal(text: str, columns: int) -> None:
    """Wide characters take two columns, colours none."""
    assert cells(text) == columns


def test_a_cut_text_keeps_its_colour_and_ends_it() -> None:
    """A colour that continues would paint the rest of the line."""
    assert cut(click.style("completed", fg="green"), 5) == "\x1b[32mcomp…\x1b[0m"
    assert cells(cut("日本語", 4)) <= 4


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
        ("one\ntwo\rthree", "one\\ntwo\\rthree"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\ud800", "\\ud800"),
        ("naïve 日本 🙂", "naïve 日本 🙂"),
    ],
)
def test_nothing_that_a_run_says_acts_on_the_terminal(text: str, shown: str) -> None:
    """Escape sequences, line ends, text that runs backwards and half characters are shown as escapes."""
    assert plain(text) == shown
    hostile = detail(step(1, name=text, output=text), workflow=text, error={"message": text, "type": text}, tags=[text])
    printed = click.unstyle(run_text(hostile, url=None, now=NOW, width=None, children={}, whole=False))
    assert all(line.isprintable() for line in printed.splitlines())


def test_a_payload_is_brief_however_long_it_is() -> None:
    """One line, cut."""
    assert brief({"a": "x\n" * 100}).endswith("…")
    assert len(brief("y" * 10_000_000)) == 60
    assert brief("a  b\tc\nd") == "a b c d"


def test_a_time_is_reported_as_an_age() -> None:
    """Of what nobody knows, nothing is reported."""
    assert (since(TIME, NOW), since(None, NOW)) == ("5s ago", "")


def test_facts_without_a_value_are_left_out() -> None:
    """And the others stand below one another."""
    assert facts([("Run", "r"), ("Queue", ""), ("Workflow", "w")]).splitlines() == ["Run:      r", "Workflow: w"]


def test_a_status_has_its_colour() -> None:
    """One table of colours for every word."""
    assert coloured("failed") == "\x1b[31mfailed\x1b[0m"
    assert coloured("unheard of") == "unheard of\x1b[0m"


def test_steps_and_the_runs_they_started_are_a_tree() -> None:
    """A child hangs below its step; its steps below it where they were read."""
    child = row("r-2", workflow="pack", status="running")
    parent = detail(step(1), step(2, "pack", kind="remote", childRunId="r-2", status="running"), children=(child,))
    lines = drawn(parent, **{"r-2": detail(step(1, "wrap"), id="r-2", workflow="pack", status="running")})  # type: ignore[arg-type]
    assert [line.split("  ")[0] for line in lines] == ["STEP", "├─ 1 charge", "└─ 2 pack", "", ""]
    assert lines[3].startswith("   └─ r-2 pack")
    assert lines[4].startswith("      └─ 1 wrap")
    assert drawn(parent)[-1].startswith("   └─ r-2 pack")


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ({"queueMs": 1000, "roundedMs": 1000}, ""),
        ({"queueMs": 7000, "roundedMs": 1000}, "7 s"),
        ({"queueMs": 1000}, "1.00 s"),
        ({"queueMs": 12}, "12 ms"),
    ],
)
def test_a_childs_time_in_a_queue_has_no_decimals_that_nobody_measured(times: dict[str, Any], says: str) -> None:
    """Between two whole seconds that differ by one nobody measured a queue."""
    child = row("r-2", workflow="pack", status="running", **times)
    parent = detail(step(1, "pack", kind="remote", childRunId="r-2", status="running"), children=(child,))
    assert drawn(parent)[-1].rpartition("running")[2].strip() == says


def test_steps_side_by_side_are_one_branch() -> None:
    """Of several with the same parallel group; one alone is not a group."""
    lines = drawn(detail(step(1, "a", parallelGroup=1), step(2, "b", parallelGroup=1), step(3, "c", parallelGroup=3)))
    assert [line.split("  ")[0] for line in lines[1:]] == ["├─ in parallel", "│", "│", "└─ 3 c"]
    assert lines[2].startswith("│  ├─ 1 a")


def test_many_like_steps_are_folded_into_one_line() -> None:
    """With how they stand; each is shown when asked for."""
    steps = [step(seq, "send", status="failed" if seq == 3 else "completed") for seq in range(1, FOLD_FROM + 1)]
    lines = drawn(detail(*steps, step(99, "end")))
    assert len(lines) == 3
    assert lines[1].startswith(f"├─ 1…{FOLD_FROM} send × {FOLD_FROM}")
    assert f"{FOLD_FROM - 1} completed, 1 failed" in lines[1]
    assert len(drawn(detail(*steps, step(99, "end")), whole=True)) == FOLD_FROM + 2


def test_housekeeping_is_shown_only_when_asked_for() -> None:
    """And a run without other steps has none yet."""
    bookkeeping = detail(step(1, "DBOS.setEvent", housekeeping=True))
    assert drawn(bookkeeping) == ["No steps yet."]
    assert len(drawn(bookkeeping, whole=True)) == 2


def test_compensations_are_a_branch_of_their_own() -> None:
    """Below the steps that they undo."""
    lines = drawn(detail(step(1), step(-1, "compensate:charge", compensates=1)))
    assert [line.split("  ")[0] for line in lines[1:]] == ["├─ 1 charge", "└─ undo", ""]
    assert lines[-1].startswith("   └─ -1 compensate:charge")


def test_earlier_attempts_are_branches_before_the_steps_of_now() -> None:
    """With what began in them, which the engine has deleted, and what may have had its effect."""
    began = [
        {"seq": 1, "name": "charge", "kind": "local", "status": "completed", "durationMs": 5, "housekeeping": False},
        {"seq": 2, "name": "DBOS.setEvent", "kind": "local", "status": "completed", "housekeeping": True},
        {"seq": 3, "name": "ship", "kind": "local", "status": "interrupted", "housekeeping": False},
    ]
    first = {"n": 1, "enqueuedAt": TIME, "outcome": "cancelled", "cause": "start", "steps": began}
    second = {"n": 2, "enqueuedAt": TIME, "cause": "retry", "by": "ada"}
    shown = detail(step(1), step(3, "ship"), attempts=(first, second))
    lines = click.unstyle(run_text(shown, url=None, now=NOW, width=None, children={}, whole=False)).splitlines()[-6:]
    begun = ["├─ attempt 1", "│  ├─ 1 charge", "│  └─ 3 ship"]
    assert [line[:14].rstrip() for line in lines[1:]] == [*begun, "├─ 1 charge", "└─ 3 ship"]
    assert lines[1].split()[-2:] == ["attempt", "cancelled"]
    assert "interrupted" in lines[3]
    assert lines[3].endswith("may have had its effect")


def test_why_a_run_began_again_is_reported() -> None:
    """A line for each attempt, where there was more than one."""
    first = {"n": 1, "enqueuedAt": TIME, "startedAt": TIME, "endedAt": TIME, "outcome": "failed", "cause": "start"}
    second = {"n": 2, "enqueuedAt": TIME, "cause": "retry", "by": "ada"}
    lines = drawn(detail(step(1), attempts=(first, second)))
    assert lines[0].split() == ["ATTEMPT", "BECAUSE", "OF", "STARTED", "ENDED", "OUTCOME", "EXECUTOR"]
    assert lines[2].split() == ["2", "retry", "by", "ada"]
    assert drawn(detail(step(1), attempts=(first,)))[0].startswith("STEP")


@pytest.mark.parametrize("text", ["\x1b]0;owned\x07", "\x9b31m", "\u202eexe.txt", "\U000e0041", "two\nlines"])
def test_json_stays_the_same_value_and_does_nothing_to_a_terminal(text: str) -> None:
    """Control characters, of two kinds, and what turns the direction of text are escaped, as JSON may."""
    printed = json_text({"note": text, "name": "Grüße 日本"})
    assert json.loads(printed) == {"note": text, "name": "Grüße 日本"}
    assert "Grüße 日本" in printed
    assert all(c.isprintable() or c == "\n" for c in printed)


def test_a_refusal_does_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the run's id nor what the server says of it."""

    def refuse(run_id: str) -> dict[str, str]:
        raise RefusedError(409, {"detail": f"Run {run_id} has ended."})

    with pytest.raises(click.exceptions.Exit):
        CliSession(cast(DurableClient, None)).act(["\x1b]0;owned\x07"], refuse, str)
    assert capsys.readouterr().err == "\\x1b]0;owned\\x07: Run \\x1b]0;owned\\x07 has ended.\n"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            {"moved": True, "compared": 2, "matches": True},
            "moved to v2, pending; its steps match (2 completed runs compared)",
        ),
        ({"moved": False, "compared": 0, "matches": False}, "would move to v2; no completed run of that version"),
        (
            {
                **{"moved": False, "compared": 1, "matches": False},
                "divergence": {"seq": 3, "recorded": "charge", "expected": ["bill", "check"]},
            },
            "step 3 is bill or check there, and this run recorded charge",
        ),
    ],
    ids=["moved", "nothing to compare with", "other steps"],
)
def test_a_move_says_what_is_known_of_the_other_versions_steps(answer: dict[str, Any], says: str) -> None:
    """Whether the replay will hold is what one wants to know before and after."""
    run = row("r", status="pending", workflowVersion="v1")
    text = moved_text(MoveAnswer.model_validate({"runId": "r", "run": run, "version": "v2", **answer}))
    assert says in click.unstyle(text)


def test_versions_are_a_table_and_a_drained_one_says_so() -> None:
    """A version that has nothing open may lose its workers."""
    figures = {"ended": 4, "failureShare": 0.25, "p50Ms": 1_000, "p95Ms": 2_000}
    of_version = {"firstSeenAt": TIME, "liveExecutors": 1, "blockedRuns": 0, "figures": figures}
    found = [
        VersionView.model_validate({"version": "v2", "openRuns": 3, "drained": False, **of_version}),
        VersionView.model_validate({"version": "v1", "openRuns": 0, "drained": True, **of_version}),
    ]
    lines = click.unstyle(versions_table(Rows(VersionView, found))).splitlines()
    assert [line.split()[0] for line in lines] == ["VERSION", "v2", "v1"]
    assert "25.0%" in lines[1]
    assert "drained" in lines[2]
