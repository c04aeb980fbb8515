"""API, live events, graph, timeline, command line, spans and metrics say the same of one real run, kind by kind."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from dbos import run_dbos_database_migrations

from examples.fake_collector import attributes
from otel_bridge.spans import semconv
from tests.databases import make_wal
from tests.e2e.surfaces import Surfaces
from tests.waiting import until

SAID = "may have had its effect"


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surfaces]:
    """Every surface over one database with a live worker."""
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        url = make_wal(directory / "app.sqlite")
    else:
        server: str = request.getfixturevalue("postgres_server_url")
        url = _new_database(server)
    run_dbos_database_migrations(url)
    surfaces = Surfaces(url, directory)
    surfaces.world.worker("--present")
    yield surfaces
    surfaces.close()


def _new_database(server: str) -> str:
    import psycopg

    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE agreement")
    base, _, query = server.partition("?")
    return base.rpartition("/")[0] + "/agreement" + (f"?{query}" if query else "")


def engine(shown: Surfaces) -> Any:
    """The engine's own client, as an application has it."""
    return shown.world.ctx.engine.use(fast_queue=True)


def start(shown: Surfaces, workflow: str, *args: Any, run_id: str, **options: Any) -> None:
    """Follow a run from its beginning, and begin it."""
    shown.listen(run_id)
    shown.world.start(workflow, *args, run_id=run_id, **{"version": "v1", **options})


def begun(shown: Surfaces, line: str) -> None:
    """Wait until a step is in flight: it has said so, and its worker has reported it."""
    until(lambda: line in shown.world.log(), what=f"{line!r} in the workflows' log")


def in_flight(shown: Surfaces, run_id: str) -> None:
    """Wait until the API shows a step of the run as executing."""
    until(
        lambda: [step for step in shown.detail(run_id)["timeline"] if step["status"] == "running"],
        what=f"a step of {run_id} to be in flight",
    )


# -- 10.1 times ----------------------------------------------------------------------------------------------------


def test_a_remote_step_lasts_as_long_as_its_child_however_late_its_parent_asks(shown: Surfaces) -> None:
    """When the parent took the result is another figure, the same wherever it is reported."""
    shown.world.touch("hold-meanwhile-kid")
    start(shown, "collector", "kid", run_id="late-1")
    child = until(lambda: shown.detail("late-1")["childRuns"], what="a child")[0]["id"]
    shown.world.reaches(child, "completed")
    early = until(
        lambda: [event for event in shown.events("late-1") if event["type"] == "step.completed"], what="its event"
    )
    shown.world.touch("go-meanwhile-kid")
    shown.world.reaches("late-1", "completed")
    steps = shown.agree("late-1", {1: ("steps", "completed"), 2: ("work", "completed")})
    (remote,) = [step for step in shown.detail("late-1")["timeline"] if step["kind"] == "remote"]
    assert remote["durationMs"] == steps[1].duration_ms == early[0]["durationMs"]
    assert remote["collectMs"] > 0
    (marks,) = [marks for _, marks in shown.spans("late-1") if marks.get(semconv.STEP_SEQ) == 1]
    assert marks[semconv.STEP_COLLECT_MS] == remote["collectMs"]


def test_a_child_that_is_retried_waited_since_then_wherever_its_parents_step_is_shown(shown: Surfaces) -> None:
    """Not since its parent asked for it, however long it had failed by then."""
    shown.world.touch("hold-meanwhile-boy")
    shown.world.touch("break-boy")
    start(shown, "collector", "boy", run_id="mended-1")
    child = until(lambda: shown.detail("mended-1")["childRuns"], what="a child")[0]["id"]
    shown.world.reaches(child, "failed")
    shown.world.remove("break-boy")
    shown.client.retry(child)
    shown.world.reaches(child, "completed")
    until(lambda: [event for event in shown.events("mended-1") if event["type"] == "step.completed"], what="its event")
    shown.world.touch("go-meanwhile-boy")
    shown.world.reaches("mended-1", "completed")
    steps = shown.agree("mended-1", {1: ("steps", "completed"), 2: ("work", "completed")})
    again = shown.detail(child)["attempts"][1]
    (remote,) = [step for step in shown.detail("mended-1")["timeline"] if step["kind"] == "remote"]
    assert steps[1].queue_ms == max(0, _ms(remote["startedAt"]) - _ms(again["enqueuedAt"]))


@pytest.mark.slow
def test_a_child_retried_by_itself_changes_nothing_of_what_its_parent_had(shown: Surfaces) -> None:
    """Its step stays as it was, on every surface; retried in turn, it has both outcomes, each in its attempt."""
    shown.world.touch("break-lad")
    start(shown, "collector", "lad", run_id="parted-1")
    shown.world.reaches("parted-1", "failed")
    failed = {1: ("steps", "failed"), 2: ("work", "completed")}
    before = shown.agree("parted-1", failed)
    child = shown.detail("parted-1")["childRuns"][0]["id"]
    shown.world.remove("break-lad")
    shown.client.retry(child)
    shown.world.reaches(child, "completed")
    assert shown.agree("parted-1", failed) == before
    shown.client.retry("parted-1")
    shown.world.reaches("parted-1", "completed")
    shown.agree("parted-1", {**failed, 1: ("steps", "completed")})
    first, second = shown.detail("parted-1")["attempts"]
    began = [(step["seq"], step["status"], step["durationMs"]) for step in first["steps"]]
    assert began == [(seq, step.status, step.duration_ms) for seq, step in before.items()]
    lane = [node for node in shown.graph("parted-1")["nodes"] if node.get("attempt") == 1 and node["type"] == "step"]
    assert [(node["seq"], node["status"], node["durationMs"]) for node in lane] == began
    again = until(lambda: [s for s, _ in shown.spans("parted-1") if s.name == "retry 1"], what="the span of the retry")
    assert again[0].start_time_unix_nano // 1_000_000 >= _ms(second["startedAt"])


# -- 10.2 queue time and attempts ----------------------------------------------------------------------------------


def test_queue_time_counts_from_the_retry_and_the_first_attempt_stays(shown: Surfaces) -> None:
    """List, run, command and page's graph; the trace keeps the failed life, and links the retry to it."""
    shown.world.touch("break-flaky")
    start(shown, "steps", "solid", "flaky", run_id="again-1")
    shown.world.reaches("again-1", "failed")
    until(lambda: [m for s, m in shown.spans("again-1") if not s.parent_span_id], what="the root of the first life")
    shown.world.remove("break-flaky")
    assert shown.client.retry("again-1").status == "pending"
    shown.world.reaches("again-1", "completed")
    run, row = shown.detail("again-1")["run"], shown.listed("again-1")
    first, second = shown.detail("again-1")["attempts"]
    assert (first["outcome"], second["outcome"], second["cause"]) == ("failed", "completed", "retry")
    assert second["by"]
    waited = _ms(second["startedAt"]) - _ms(second["enqueuedAt"])
    assert run["queueMs"] == row["queueMs"] == max(0, waited)
    assert run["queueMs"] < _ms(second["startedAt"]) - _ms(run["createdAt"]) + 1_000
    began = [(step["seq"], step["name"], step["status"]) for step in first["steps"]]
    assert began == [(1, "work", "completed"), (2, "work", "failed")]
    lane = [node for node in shown.graph("again-1")["nodes"] if node.get("attempt") == 1 and node["type"] == "step"]
    assert [(node["seq"], node["label"], node["status"]) for node in lane] == began
    assert [node.get("durationMs") for node in lane] == [step["durationMs"] for step in first["steps"]]
    tree = shown.printed("show", "again-1").splitlines()
    at = next(number for number, line in enumerate(tree) if "attempt 1" in line)
    assert [line.split()[2:6] for line in tree[at + 1 : at + 3]] == [
        ["1", "work", "local", "completed"], ["2", "work", "local", "failed"]
    ]  # fmt: skip
    shown.agree_on_run("again-1")
    lives = until(
        lambda: {
            marks[semconv.STEP_STATUS]: marks for _, marks in shown.spans("again-1") if marks.get(semconv.STEP_SEQ) == 2
        },
        lambda found: len(found) == 2,
        what="the step in both lives",
    )
    assert set(lives) == {"failed", "completed"}
    assert lives["completed"][semconv.RUN_GENERATION] == 1


def test_what_the_engine_itself_resumes_has_an_attempt_and_no_false_queue_time(shown: Surfaces) -> None:
    """Cancelled while it was queued, and resumed onto the queue where it was: the row looks like any other."""
    shown.listen("revived-1")
    with engine(shown) as client:
        client.enqueue(
            {
                "workflow_name": "steps",
                "queue_name": "durable.fast",
                "workflow_id": "revived-1",
                "app_version": "v1",
                "delay_seconds": 300,
            },
            "solid",
        )
        client.cancel_workflow("revived-1")
        until(
            lambda: [s for s, _ in shown.spans("revived-1") if not s.parent_span_id], what="the root of the first life"
        )
        until(
            lambda: [event for event in shown.events("revived-1") if event["type"] == "run.cancelled"],
            what="the end of the first life in the stream",
        )
        client.resume_workflow("revived-1", queue_name="durable.fast")
    shown.world.reaches("revived-1", "completed")
    again = until(lambda: shown.detail("revived-1")["attempts"][1:], what="the second attempt")
    assert [(one["cause"], one["by"], one["outcome"]) for one in again] == [("resume", "the engine", "completed")]
    first = shown.detail("revived-1")["attempts"][0]
    assert (first["outcome"], first.get("startedAt")) == ("cancelled", None)
    shown.agree("revived-1", {1: ("work", "completed")})
    shown.agree_on_run("revived-1")
    assert "queueMs" not in shown.detail("revived-1")["run"]
    assert "resume by the engine" in shown.printed("show", "revived-1")
    waits = [marks[semconv.QUEUE_WAIT_MS] for _, marks in shown.spans("revived-1") if semconv.QUEUE_WAIT_MS in marks]
    assert waits == []


def test_what_the_engine_put_back_unseen_has_an_attempt_and_no_false_queue_time(shown: Surfaces) -> None:
    """The engine's own tools gave the run to another queue: it had never ended, so nobody noticed. Its step tells."""
    shown.world.touch("hold-unseen")
    start(shown, "steps", "first", "unseen", run_id="unseen-1")
    begun(shown, "work unseen")
    first = until(lambda: shown.detail("unseen-1")["timeline"], what="the first step")[0]
    # a clock that is a little off does not explain any more that a step is older than the start
    until(lambda: time.time() * 1_000 > _ms(first["finishedAt"]) + 2_100, what="the step to be old")
    with engine(shown) as client:
        client.resume_workflow("unseen-1", queue_name="slow-lane")
    until(lambda: shown.world.log().count("work unseen") == 2, what="the run to be taken again")
    shown.world.touch("go-unseen")
    shown.world.reaches("unseen-1", "completed")
    shown.agree("unseen-1", {1: ("work", "completed"), 2: ("work", "completed")})
    shown.agree_on_run("unseen-1")
    assert "queueMs" not in shown.detail("unseen-1")["run"]
    assert [one["cause"] for one in shown.detail("unseen-1")["attempts"]] == ["start", "resume"]


def test_a_delay_is_no_time_on_a_queue(shown: Surfaces) -> None:
    """It was asked for. List, run, event and trace count from its end."""
    shown.listen("delayed-1")
    with engine(shown) as client:
        client.enqueue(
            {
                "workflow_name": "steps",
                "queue_name": "durable.fast",
                "workflow_id": "delayed-1",
                "app_version": "v1",
                "delay_seconds": 2.5,
            },
            "patient",
        )
    waiting = shown.world.run("delayed-1").waiting
    assert waiting is not None
    assert (waiting.on, waiting.until_ms is None) == ("delay", False)
    shown.world.reaches("delayed-1", "completed")
    shown.agree("delayed-1", {1: ("work", "completed")})
    shown.agree_on_run("delayed-1")
    run = shown.detail("delayed-1")["run"]
    # The run may have started in the very second in which its delay ended, and its stamp be cut to it.
    assert run["queueMs"] <= max(0, _ms(run["startedAt"]) - (waiting.until_ms or 0))
    root = next(marks for span, marks in shown.spans("delayed-1") if not span.parent_span_id)
    assert root[semconv.QUEUE_WAIT_MS] == run["queueMs"]


def _ms(text: str) -> int:
    from datetime import datetime

    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def test_a_scheduled_run_is_the_same_wherever_it_is_shown(shown: Surfaces) -> None:
    """It begins on the engine's own queue, and waits there: nobody put it back."""
    with engine(shown) as client:
        client.create_schedule(
            schedule_name="nightly",
            workflow_name="scheduled",
            schedule="0 3 1 1 *",
            context="due",
            application_name="actions-tests",
        )
    shown.world.touch("hold-due")
    run_id = shown.client.trigger_schedule("nightly").run_id
    shown.listen(run_id)
    begun(shown, "work due")
    shown.world.touch("go-due")
    shown.world.reaches(run_id, "completed")
    shown.agree(run_id, {1: ("work", "completed")})
    run, row = shown.detail(run_id)["run"], shown.listed(run_id)
    printed = json.loads(shown.printed("show", run_id, "--json"))["run"]
    assert run["schedule"] == row["schedule"] == printed["schedule"] == "nightly"
    waited = max(0, _ms(run["startedAt"]) - _ms(run["createdAt"]))
    assert run["queueMs"] == row["queueMs"] == printed["queueMs"] == waited
    assert [attempt["cause"] for attempt in shown.detail(run_id)["attempts"]] == ["start"]
    (end,) = [event for event in shown.events(run_id) if event["type"] == "run.completed"]
    assert (end["durationMs"], end["run"]["schedule"]) == (run["durationMs"], "nightly")
    root = next(marks for span, marks in shown.spans(run_id) if not span.parent_span_id)
    assert (root[semconv.SCHEDULE_NAME], root[semconv.RUN_STATUS]) == ("nightly", "completed")


# -- 10.4 and 10.6: deadlines, and what they cut off ---------------------------------------------------------------


def test_a_timeout_is_said_and_what_it_cut_off_is_interrupted(shown: Surfaces) -> None:
    """The deadline and that it was missed; the step that was in flight, by name, once it is over too."""
    shown.world.touch("hold-tardy")
    shown.listen("tardy-1")
    with engine(shown) as client:
        client.enqueue(
            {
                "workflow_name": "steps",
                "queue_name": "durable.fast",
                "workflow_id": "tardy-1",
                "app_version": "v1",
                "workflow_timeout": 1.0,
            },
            "brisk",
            "tardy",
        )
    shown.world.reaches("tardy-1", "cancelled")
    until(
        lambda: [(s["seq"], s["status"]) for s in shown.detail("tardy-1")["timeline"]],
        lambda steps: steps == [(1, "completed"), (2, "interrupted")],
        what="the step in flight to be interrupted at once",
    )
    shown.world.touch("go-tardy")
    shown.agree("tardy-1", {1: ("work", "completed"), 2: ("work", "interrupted")})
    run, row = shown.detail("tardy-1")["run"], shown.listed("tardy-1")
    assert run["timedOut"] is row["timedOut"] is True
    assert run["deadlineAt"] == row["deadlineAt"]
    root = next(marks for span, marks in shown.spans("tardy-1") if not span.parent_span_id)
    assert (root[semconv.RUN_TIMED_OUT], root[semconv.RUN_DEADLINE]) == (True, run["deadlineAt"])
    assert "cancelled by its timeout" in shown.printed("show", "tardy-1")
    assert any(SAID in line and "work" in line for line in shown.printed("show", "tardy-1").splitlines())
    cut = next(event for event in shown.events("tardy-1") if event.get("status") == "interrupted")
    assert SAID in cut["error"]["message"]


@pytest.mark.parametrize("how", ["engine", "api", "brief"])
def test_whoever_cancels_the_step_in_flight_stays_as_interrupted(shown: Surfaces, how: str) -> None:
    """The engine's own cancel, ours, and one that comes before the worker has reported the step."""
    run_id, name = f"cut-{how}", f"cut-{how}"
    shown.world.touch(f"hold-{name}")
    start(shown, "steps", name, "never", run_id=run_id)
    begun(shown, f"work {name}")
    if how == "api":
        in_flight(shown, run_id)
        shown.client.cancel(run_id)
    else:
        with engine(shown) as client:
            client.cancel_workflow(run_id)
    shown.world.touch(f"go-{name}")
    steps = shown.agree(run_id, {1: ("work", "interrupted")})
    assert steps[1].duration_ms is not None
    assert "work never" not in shown.world.log()
    line = next(line for line in shown.printed("show", run_id).splitlines() if "1 work" in line)
    assert "interrupted" in line
    assert line.rstrip().endswith(SAID)


def test_a_child_cancelled_with_its_parent_is_cancelled_and_its_step_interrupted(shown: Surfaces) -> None:
    """Not failed, on either side."""
    shown.world.touch("hold-heir")
    start(shown, "parent", "", "heir", run_id="family-1")
    begun(shown, "work heir")
    child = shown.detail("family-1")["childRuns"][0]["id"]
    shown.listen(child)
    in_flight(shown, child)
    with engine(shown) as client:
        client.cancel_workflow("family-1", cancel_children=True)
    shown.world.touch("go-heir")
    shown.agree("family-1", {1: ("work", "completed"), 2: ("steps", "cancelled")})
    shown.agree(child, {1: ("work", "interrupted")})


def test_a_child_that_the_engine_gave_up_is_dead(shown: Surfaces) -> None:
    """The parent's step says so everywhere, and its span is red: nobody wanted that."""
    shown.world.touch("hold-late-grave")
    shown.world.touch("hold-meanwhile-grave")
    shown.world.touch("hold-grave")
    start(shown, "collector", "grave", run_id="mourner-1")
    begun(shown, "work meanwhile-grave")
    begun(shown, "work grave")
    child = shown.detail("mourner-1")["childRuns"][0]["id"]
    give_up(shown, child)
    shown.world.touch("go-grave")
    with engine(shown) as client:
        client.cancel_workflow("mourner-1")
    shown.world.touch("go-meanwhile-grave")
    shown.agree("mourner-1", {1: ("steps", "dead"), 2: ("work", "interrupted")})


def give_up(shown: Surfaces, run_id: str) -> None:
    """Do to a run what the engine does at its last recovery: a worker that dies four times would take a minute."""
    import sqlalchemy as sa

    database = sa.create_engine(shown.world.url.replace("postgresql://", "postgresql+psycopg://"))
    schema = "" if database.dialect.name == "sqlite" else "dbos."
    with database.begin() as connection:
        connection.execute(
            sa.text(
                f"UPDATE {schema}workflow_status SET status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED', owner_xid = NULL, "
                "queue_name = NULL, started_at_epoch_ms = NULL, completed_at = updated_at WHERE workflow_uuid = :id"
            ),
            {"id": run_id},
        )
    database.dispose()


def test_what_a_lost_worker_executed_is_interrupted(shown: Surfaces, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed as ``kill -9`` does: then cancelled by hand, so that nobody takes it up again."""
    monkeypatch.setattr("otel_bridge.runs.blocked.BLOCKED_AFTER_MS", 0)
    world = shown.world
    mortal = world.worker("--present", "--version", "mortal", "--executor", "mortal")
    world.touch("hold-last")
    start(shown, "steps", "last", run_id="lost-1", version="mortal")
    begun(shown, "work last")
    in_flight(shown, "lost-1")
    mortal.kill()
    blocked = until(lambda: shown.detail("lost-1"), lambda d: d["run"]["status"] == "blocked", what="it to be lost")
    assert [(step["name"], step["status"]) for step in blocked["timeline"]] == [("work", "interrupted")]
    shown.client.cancel("lost-1")
    shown.agree("lost-1", {1: ("work", "interrupted")})


# -- 10.5 blocked --------------------------------------------------------------------------------------------------


def test_a_run_that_nobody_runs_is_blocked_with_a_reason_wherever_it_is_shown(
    shown: Surfaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """List, counts, filter, run, graph, command and metrics."""
    monkeypatch.setattr("otel_bridge.runs.blocked.BLOCKED_AFTER_MS", 0)
    start(shown, "steps", "waits-in-vain", run_id="stranded-1", version="gone")
    run = until(
        lambda: shown.detail("stranded-1")["run"], lambda run: run["status"] == "blocked", what="the run to be blocked"
    )
    assert run["blocked"]["code"] == "version_gone"
    assert shown.listed("stranded-1")["blocked"] == run["blocked"]
    assert [row["id"] for row in shown.get("runs?status=blocked&q=stranded-1")] == ["stranded-1"]
    (facet,) = [one for one in shown.get("runs/facets?q=stranded-1") if one["count"]]
    assert facet["status"] == "blocked"
    assert [node["status"] for node in shown.graph("stranded-1")["nodes"] if node["type"] == "end"] == ["blocked"]
    printed = shown.printed("show", "stranded-1")
    assert "blocked" in printed
    assert run["blocked"]["remedy"].split(",")[0] in printed
    metrics = httpx.get(f"{shown.base}/api/metrics").text
    version = [line for line in metrics.splitlines() if line.startswith("durable_runs_by_version") and 'gone"' in line]
    assert version
    assert float(version[0].split()[-1]) == 1
    heard = until(lambda: [e for e in shown.events("stranded-1") if e.get("run")], what="an event with the run's row")
    until(
        lambda: [e for e in shown.events("stranded-1") if (e.get("run") or {}).get("status") == "blocked"],
        what=f"the stream to say so, not only {heard}",
    )
    shown.client.cancel("stranded-1")


# -- 10.7 undo -----------------------------------------------------------------------------------------------------


def test_an_undo_comes_between_cancelling_and_the_end_in_its_order(shown: Surfaces) -> None:
    """Stream, timeline, graph, command and trace: the last step is undone first."""
    start(shown, "saga", "one", "two", run_id="saga-1")
    shown.world.waits("saga-1", "signal")
    shown.client.cancel("saga-1", compensate=True)
    shown.world.reaches("saga-1", "cancelled")
    heard = until(
        lambda: shown.events("saga-1"),
        lambda events: bool(events) and events[-1]["type"] == "run.cancelled",
        what="the end in the stream",
    )
    reported = [(event["type"], event.get("seq")) for event in heard]
    ends = [
        one for one in reported if one[0].startswith("run.cancel") or (one[0] == "step.completed" and (one[1] or 0) < 0)
    ]
    undone = [("step.completed", -1), ("step.completed", -2)]
    assert ends == [("run.cancelling", None), *undone, ("run.cancelled", None)]
    undo = [(step["seq"], step["compensates"]) for step in shown.detail("saga-1")["timeline"] if step["seq"] < 0]
    assert undo == [(-1, 2), (-2, 1)]
    chain = {edge["source"]: edge["target"] for edge in shown.graph("saga-1")["edges"] if edge["kind"] == "undo"}
    assert chain == {"end": "step:-1", "step:-1": "step:-2"}
    lines = shown.printed("show", "saga-1").splitlines()
    at = next(number for number, line in enumerate(lines) if "undo" in line and "─" in line)
    assert [line.split()[1] for line in lines[at + 1 : at + 3]] == ["-1", "-2"]
    spans = until(
        lambda: [(s, m) for s, m in shown.spans("undo:saga-1") if semconv.STEP_COMPENSATES in m],
        lambda found: len(found) == 2,
        what="both compensations as spans",
    )
    spans.sort(key=lambda pair: pair[0].start_time_unix_nano)
    assert [marks[semconv.STEP_COMPENSATES] for _, marks in spans] == [2, 1]


# -- 10.14 errors --------------------------------------------------------------------------------------------------


def test_a_long_error_says_the_same_in_every_place(shown: Surfaces) -> None:
    """280 kB of words: type and beginning are kept, wherever it is cut."""
    start(shown, "wordy", run_id="wordy-1")
    shown.world.reaches("wordy-1", "failed")
    shown.agree("wordy-1", {1: ("rant", "failed")})
    detail, row = shown.detail("wordy-1"), shown.listed("wordy-1")
    failed = until(
        lambda: [e for e in shown.events("wordy-1") if e["type"] in ("step.failed", "run.failed")],
        lambda found: len(found) == 2,
        what="both failures in the stream",
    )
    root = next(span for span, _ in shown.spans("wordy-1") if not span.parent_span_id)
    exception = attributes(root.events[-1])
    errors = [detail["run"]["error"], detail["timeline"][0]["error"], row["error"]]
    assert {error["type"].rpartition(".")[2] for error in errors} == {"ValueError"}
    assert exception["exception.type"].endswith("ValueError")
    texts = [*(error["message"] for error in errors), *(e["error"]["message"] for e in failed)]
    beginning = "so many words so many words"
    assert all(text.startswith(beginning) for text in [*texts, root.status.message, exception["exception.message"]])
    assert beginning in shown.printed("show", "wordy-1")


# -- 10.15 names from the database ---------------------------------------------------------------------------------


def test_messages_events_and_streams_bear_their_names_everywhere(shown: Surfaces) -> None:
    """Topic, key and stream, in timeline, step, graph, command and trace."""
    start(shown, "talkative", run_id="talk-1")
    shown.world.waits("talk-1", "signal")
    with engine(shown) as client:
        client.send("talk-1", {"by": "ada"}, "approve")
    shown.world.reaches("talk-1", "completed")
    wanted = {
        1: "DBOS.setEvent",
        2: "DBOS.writeStream",
        3: "DBOS.writeStream",
        4: "DBOS.closeStream",
        5: "signal:approve",
    }
    shown.agree("talk-1", {seq: (name, "completed") for seq, name in wanted.items()})
    keys = {1: "phase", 2: "tokens", 3: "tokens", 4: "tokens", 5: "approve"}
    assert {step["seq"]: step["key"] for step in shown.detail("talk-1")["timeline"]} == keys
    marked = {m[semconv.STEP_SEQ]: m[semconv.STEP_KEY] for _, m in shown.spans("talk-1") if semconv.STEP_SEQ in m}
    assert marked == keys
    assert shown.get("runs/talk-1/steps/5")["output"] == {"by": "ada"}
    assert shown.get("runs/talk-1/events") == [{"key": "phase", "value": "one"}]
    (stream,) = shown.get("runs/talk-1/streams")
    assert (stream["key"], stream["count"], stream["closed"]) == ("tokens", 2, True)
    assert "signal:approve" in shown.printed("show", "talk-1")
