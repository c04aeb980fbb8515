"""The graph: what follows what, what runs beside what, what is stacked, and where it is drawn."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.read.graph import MAX_LANES, STACK_FROM, build_graph
from dashboard.read.graph_attempts import with_attempts
from dashboard.read.graph_children import MAX_CHILDREN, with_children
from dashboard.read.outline import parallel_groups
from dashboard.read.segments import segments
from dashboard.wire.graph import Graph, GraphNode
from otel_bridge.model.runs import Run, Waiting
from otel_bridge.model.steps import Step
from otel_bridge.runs.attempts import Attempt

RUN = Run(id="r", workflow="ship", status="completed", created_at_ms=0, updated_at_ms=0)


def step(seq: int, begin: int | None, end: int | None, name: str = "", **fields: Any) -> Step:
    """A local step; open without an end."""
    fields = {"kind": "local", "status": "running" if end is None else "completed", **fields}
    return Step(run_id="r", seq=seq, name=name or f"s{seq}", started_at_ms=begin, finished_at_ms=end, **fields)


def edges(graph: Graph) -> set[tuple[str, str]]:
    """The arrows, without the dots: what a dot joins is joined directly."""
    out = {(edge.source, edge.target) for edge in graph.edges}
    for dot in [node.id for node in graph.nodes if node.type == "join"]:
        into = {source for source, target in out if target == dot}
        from_ = {target for source, target in out if source == dot}
        out = {edge for edge in out if dot not in edge} | {(a, b) for a in into for b in from_}
    return out


def node(graph: Graph, id_: str) -> GraphNode:
    """The node with this id."""
    return next(node for node in graph.nodes if node.id == id_)


def test_steps_in_a_row_follow_each_other() -> None:
    """From start to end, each to the right of the one before."""
    graph = build_graph(RUN, [step(1, 0, 5), step(2, 5, 9), step(3, 20, 30)])
    assert edges(graph) == {("start", "step:1"), ("step:1", "step:2"), ("step:2", "step:3"), ("step:3", "end")}
    xs = [node(graph, name).x for name in ("start", "step:1", "step:2", "step:3", "end")]
    assert xs == sorted(set(xs))


def test_a_run_without_steps_is_a_start_and_an_end() -> None:
    """Nothing happened, and that is drawn."""
    graph = build_graph(RUN, [])
    assert edges(graph) == {("start", "end")}
    assert node(graph, "end").status == "completed"


def test_overlapping_steps_are_parallel_and_join_again() -> None:
    """``asyncio.gather`` of three: a fork after what came before, a join at what follows."""
    graph = build_graph(RUN, [step(1, 0, 1), step(2, 2, 9), step(3, 3, 8), step(4, 4, 7), step(5, 10, 11)])
    assert edges(graph) == {
        ("start", "step:1"),
        *(("step:1", f"step:{n}") for n in (2, 3, 4)),
        *((f"step:{n}", "step:5") for n in (2, 3, 4)),
        ("step:5", "end"),
    }
    assert len({node(graph, f"step:{n}").y for n in (2, 3, 4)}) == 3
    assert len({node(graph, f"step:{n}").x for n in (2, 3, 4)}) == 1
    assert {edge.kind for edge in graph.edges if edge.target == "step:3"} == {"fan-out"}
    assert {edge.kind for edge in graph.edges if edge.target == "step:5"} == {"fan-in"}


def test_children_enqueued_one_after_the_other_and_awaited_later_are_parallel() -> None:
    """They overlap from their enqueueing on, whenever a worker took them."""
    children = [
        step(n, 50 * n, 400, "pack", kind="remote", enqueued_at_ms=n, child_run_id=f"r-{n}") for n in range(1, 4)
    ]
    assert edges(build_graph(RUN, children)) >= {("start", f"step:{n}") for n in (1, 2, 3)}


def test_work_beside_a_child_is_a_lane_of_its_own() -> None:
    """While a child runs, the parent's steps follow each other beside it."""
    child = step(1, 0, 100, "child", kind="remote", enqueued_at_ms=0)
    graph = build_graph(RUN, [child, step(2, 10, 20), step(3, 20, 30), step(4, 200, 201)])
    assert edges(graph) == {
        ("start", "step:1"),
        ("start", "step:2"),
        ("step:2", "step:3"),
        ("step:1", "step:4"),
        ("step:3", "step:4"),
        ("step:4", "end"),
    }


def test_a_fork_in_the_middle_of_a_segment_starts_where_it_forked() -> None:
    """A gather after a step, while a child still runs, hangs on that step and not on the beginning."""
    child = step(1, 0, 100, "child", kind="remote")
    graph = build_graph(RUN, [child, step(2, 10, 20), step(3, 30, 60), step(4, 31, 50)])
    assert ("step:2", "step:3") in edges(graph)
    assert ("step:2", "step:4") in edges(graph)


def test_two_fan_outs_in_a_row_meet_in_a_dot() -> None:
    """Instead of arrows from each to each."""
    wide = [step(n, 0, 10) for n in range(1, 6)] + [step(n, 20, 30) for n in range(6, 11)]
    graph = build_graph(RUN, wide)
    assert Counter(node.type for node in graph.nodes)["join"] == 1
    assert len(graph.edges) == 5 + 5 + 5 + 5


def test_many_like_children_are_one_group_with_counts() -> None:
    """A thousand boxes help nobody; one box that says how they stand does."""
    children = [step(n, n, 5_000 if n % 10 else None, "pack", kind="remote") for n in range(1, 1001)]
    graph = build_graph(replace(RUN, status="running"), children)
    group = next(node for node in graph.nodes if node.type == "group")
    assert (group.count, group.label, group.kind) == (1000, "pack", "remote")
    assert group.by_status == {"completed": 900, "running": 100}
    assert group.status == "running"
    assert len(group.seqs or []) == 1000
    assert len(graph.nodes) == 3


def test_a_group_expands_to_a_grid_inside_its_frame() -> None:
    """By its id; the steps are nodes of their own, inside the group's box, and none covers another."""
    children = [step(n, n, 5_000, "pack", kind="remote") for n in range(1, 41)]
    graph = build_graph(RUN, children, expand=["group:1"])
    frame = node(graph, "group:1")
    cells = [cell for cell in graph.nodes if cell.group_id == "group:1"]
    assert frame.expanded
    assert len(cells) == 40
    for cell in cells:
        assert frame.x <= cell.x
        assert cell.x + cell.width <= frame.x + frame.width
        assert frame.y <= cell.y
        assert cell.y + cell.height <= frame.y + frame.height
    assert edges(graph) == {("start", "group:1"), ("group:1", "end")}


def test_many_like_steps_in_a_row_are_one_group() -> None:
    """A loop of hundreds of steps is one box too."""
    graph = build_graph(RUN, [step(n, n * 10, n * 10 + 5, "poll") for n in range(1, 301)])
    assert [node.type for node in graph.nodes] == ["start", "group", "end"]


def test_a_failed_step_shows_through_its_group() -> None:
    """The group takes the status that needs attention most."""
    children = [step(n, 0, 10, "pack", status="failed" if n == 7 else "completed") for n in range(1, 20)]
    assert next(n for n in build_graph(RUN, children).nodes if n.type == "group").status == "failed"


def test_more_lanes_than_fit_are_stacked_though_unlike() -> None:
    """A hundred different parallel steps do not make a hundred rows."""
    graph = build_graph(RUN, [step(n, 0, 10, f"different {n}") for n in range(1, 101)])
    assert sum(node.type in ("step", "group") for node in graph.nodes) <= MAX_LANES + 1
    assert sum(node.count or 1 for node in graph.nodes if node.type in ("step", "group")) == 100


@pytest.mark.parametrize(
    ("waiting", "kind", "label"),
    [
        (None, "local", "now running"),
        (Waiting("signal", "approval", 5, 99), "signal", "approval"),
        (Waiting("sleep", None, 5, 99), "sleep", "sleep"),
        (Waiting("child", "r-1", 5), "remote", "r-1"),
    ],
)
def test_an_open_run_shows_what_it_does_now(waiting: Waiting | None, kind: str, label: str) -> None:
    """Where no step is known to be open, a node says that it runs, or on what it waits."""
    run = replace(RUN, status="suspended" if waiting else "running", waiting=waiting)
    graph = build_graph(run, [step(1, 0, 5)])
    now = node(graph, "step:2")
    assert (now.kind, now.label, now.status) == (kind, label, "running")
    assert ("step:1", "step:2") in edges(graph)


def test_a_blocked_run_shows_what_was_interrupted_or_that_nothing_began() -> None:
    """The run of a lost worker was doing something; one that nobody took was not."""
    blocked = replace(RUN, status="blocked")
    assert node(build_graph(blocked, [step(1, 0, 5)]), "step:2").label == "interrupted"
    queued = replace(blocked, waiting=Waiting("queue", "gpu", 5))
    assert [node.type for node in build_graph(queued, []).nodes] == ["start", "end"]


def test_a_step_in_flight_is_drawn_once() -> None:
    """Where presence shows the open step, nothing is added."""
    graph = build_graph(replace(RUN, status="running"), [step(1, 0, 5), step(2, 6, None)])
    assert [node.id for node in graph.nodes] == ["start", "step:1", "step:2", "end"]


def test_an_undo_follows_the_end() -> None:
    """Compensations are drawn behind the end, in the order of their execution."""
    undo = [step(-1, 20, 21, "compensate:b", compensates=2), step(-2, 22, None, "compensate:a", compensates=1)]
    graph = build_graph(replace(RUN, status="cancelling"), [step(1, 0, 1), step(2, 2, 3)], undo=undo)
    assert ("end", "step:-1") in edges(graph)
    assert ("step:-1", "step:-2") in edges(graph)
    assert {edge.kind for edge in graph.edges if edge.target.startswith("step:-")} == {"undo"}


def lanes(*, expand: tuple[str, ...] = ()) -> Graph:
    """A run in its third attempt: the first failed at its second step, the second was lost with its worker."""
    first = Attempt(
        n=1, enqueued_at_ms=0, outcome="failed", steps=(step(1, 0, 5), step(2, 6, 9, "pay", status="failed"))
    )
    polls = tuple(step(seq, 20 + seq, 21 + seq, "poll") for seq in range(2, 2 + STACK_FROM))
    second = Attempt(n=2, enqueued_at_ms=10, outcome="lost", steps=polls)
    present = build_graph(RUN, [step(1, 0, 5), step(2, 50, 60, "pay")])
    return with_attempts(present, [first, second], expand=expand)


def test_earlier_attempts_are_lanes_below_the_run_as_it_is_now() -> None:
    """The last one first; what is drawn of the present stays where it is without them."""
    graph, present = lanes(), build_graph(RUN, [step(1, 0, 5), step(2, 50, 60, "pay")])
    assert [node for node in graph.nodes if node.attempt is None] == present.nodes
    assert node(graph, "attempt:1/step:2").status == "failed"
    assert {node.label for node in graph.nodes if node.type == "start"} == {"ship", "attempt 1", "attempt 2"}
    assert node(graph, "attempt:2/end").status == "lost"
    bottoms = [max(n.y + n.height for n in graph.nodes if n.attempt == lane) for lane in (None, 2, 1)]
    tops = [min(n.y for n in graph.nodes if n.attempt == lane) for lane in (None, 2, 1)]
    assert all(bottom < top for bottom, top in zip(bottoms, tops[1:], strict=False))
    assert graph.height == bottoms[-1]


def test_each_attempt_leads_to_the_one_after_it() -> None:
    """And the last earlier one to the present."""
    graph = lanes()
    again = [(edge.source, edge.target) for edge in graph.edges if edge.kind == "again"]
    assert sorted(again) == [("attempt:1/end", "attempt:2/start"), ("attempt:2/end", "start")]
    ids = [item.id for item in graph.nodes] + [edge.id for edge in graph.edges]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("wanted", ["attempt:2/group:2", "all"])
def test_a_group_of_an_earlier_attempt_unfolds_by_its_own_id(wanted: str) -> None:
    """The ids of its lane are its own, so it is not mixed up with a group of the present."""
    graph = lanes(expand=(wanted,))
    assert {n.group_id for n in graph.nodes if n.group_id} == {"attempt:2/group:2"}
    assert node(graph, "attempt:2/step:2").attempt == 2


def test_steps_beside_others_share_the_number_of_their_group() -> None:
    """For the timeline: who ran beside whom; those alone have none."""
    steps = [step(1, 0, 1), step(2, 2, 9), step(3, 3, 9), step(4, 20, 21), step(5, 30, 40), step(6, 31, 40)]
    assert parallel_groups(steps) == {2: 2, 3: 2, 5: 5, 6: 5}


def test_a_thousand_steps_are_laid_out_in_no_time() -> None:
    """Alternating, parallel or in a row: well below what the query costs."""
    wide = [step(n, n, 10_000 + n, f"c{n % 7}", kind="remote") for n in range(1, 1001)]
    row = [step(n, n * 10, n * 10 + 5, f"c{n % 7}") for n in range(1, 1001)]
    for steps in (wide, row):
        before = time.thread_time()
        build_graph(RUN, steps)
        assert time.thread_time() - before < 0.5, "generous: it takes 30 ms of computing"


moments = st.integers(0, 60)
any_steps = st.lists(
    st.tuples(
        moments,
        st.one_of(st.none(), moments),
        st.sampled_from("abc"),
        st.sampled_from(["local", "remote"]),
        st.booleans(),
    ),
    max_size=40,
).map(
    lambda rows: [
        step(
            number,
            begin,
            None if length is None else begin + length,
            name,
            kind=kind,
            enqueued_at_ms=begin if kind == "remote" else None,
            housekeeping=small,
        )
        for number, (begin, length, name, kind, small) in enumerate(rows, start=1)
    ]
)


@settings(deadline=None)
@given(any_steps, st.booleans())
def test_whatever_the_steps_every_one_is_drawn_once_and_reachable(steps: list[Step], expanded: bool) -> None:
    """Each step is one node or in one group; all hang together from start to end; arrows point right; none overlap."""
    graph = build_graph(RUN, steps, expand=["all"] if expanded else [])
    drawn = Counter(
        seq
        for item in graph.nodes
        for seq in ((item.seqs or []) if item.type == "group" else [item.seq] if item.group_id is None else [])
        if seq is not None
    )
    assert drawn == Counter(item.seq for item in steps)
    ids = [item.id for item in graph.nodes]
    assert len(ids) == len(set(ids))
    following: dict[str, set[str]] = {}
    for edge in graph.edges:
        following.setdefault(edge.source, set()).add(edge.target)
        assert node(graph, edge.source).x < node(graph, edge.target).x
    seen, todo = {"start"}, ["start"]
    while todo:
        for target in following.get(todo.pop(), set()) - seen:
            seen.add(target)
            todo.append(target)
    top = [item for item in graph.nodes if item.group_id is None]
    assert seen == {item.id for item in top}
    assert all(following.get(item.id) for item in top if item.id != "end"), "every node leads on to the end"
    for one, two in combinations(top, 2):
        apart = (
            one.x + one.width <= two.x
            or two.x + two.width <= one.x
            or one.y + one.height <= two.y
            or two.y + two.height <= one.y
        )
        assert apart, (one, two)
    assert all(item.x >= 0 and item.x + item.width <= graph.width + 1e-6 for item in graph.nodes)
    assert all(item.y >= 0 and item.y + item.height <= graph.height + 1e-6 for item in graph.nodes)


@given(any_steps)
def test_segments_keep_every_step_and_never_overlap(steps: list[Step]) -> None:
    """Cutting into segments loses nothing."""
    found = segments(steps)
    assert sorted(item.seq for segment in found for item in segment) == [item.seq for item in steps]
    assert STACK_FROM > 2


def _family(depth: int) -> tuple[list[Step], dict[str, tuple[Run, list[Step]]]]:
    """A run whose second step started c1, whose second step started c2, and so on."""

    def of(level: int) -> list[Step]:
        return [step(1, 0, 5, "plan"), step(2, 5, 9, f"c{level}", kind="remote", child_run_id=f"c{level}")]

    return of(1), {f"c{level}": (replace(RUN, id=f"c{level}"), of(level + 1)) for level in range(1, depth + 1)}


def test_an_opened_child_is_a_lane_below_the_step_that_started_it() -> None:
    """The run stays where it was; the lane begins under its step, and its nodes say whose they are."""
    steps, children = _family(1)
    alone = build_graph(RUN, steps)
    graph = with_children(alone, steps, {"c1", "elsewhere"}, read=children.get)
    lane = [found for found in graph.nodes if found.of_run == "c1"]
    assert graph.nodes[: len(alone.nodes)] == alone.nodes
    assert {found.id for found in lane} == {f"child:c1/{name}" for name in ("start", "step:1", "step:2", "end")}
    assert min(found.y for found in lane) > alone.height
    assert min(found.x for found in lane) == node(graph, "step:2").x
    assert ("step:2", "child:c1/start", "child") in {(e.source, e.target, e.kind) for e in graph.edges}
    assert graph.height >= max(found.y + found.height for found in lane)
    assert graph.width >= max(found.x + found.width for found in lane)


def test_children_are_drawn_four_levels_deep_and_only_below_what_is_open() -> None:
    """A closed child hides what is below it, and a fifth level is a page of its own."""
    steps, children = _family(6)
    every = {f"c{level}" for level in range(1, 7)}
    graph = with_children(build_graph(RUN, steps), steps, every, read=children.get)
    assert {found.of_run for found in graph.nodes if found.of_run} == {"c1", "c2", "c3", "c4"}
    assert len({found.id for found in graph.nodes}) == len(graph.nodes)
    graph = with_children(build_graph(RUN, steps), steps, every - {"c2"}, read=children.get)
    assert {found.of_run for found in graph.nodes if found.of_run} == {"c1"}


def test_a_stacked_child_hangs_below_its_group_and_no_more_than_twenty_are_read() -> None:
    """Of 10,000 children one node is drawn, and what is read is bounded whatever is asked."""
    steps = [step(n, 0, 9, "pack", kind="remote", child_run_id=f"c{n}") for n in range(1, 10_001)]
    read: list[str] = []

    def child(run_id: str) -> tuple[Run, list[Step]]:
        read.append(run_id)
        return replace(RUN, id=run_id), [step(1, 0, 5)]

    alone = build_graph(RUN, steps)
    graph = with_children(alone, steps, {f"c{n}" for n in range(1, 10_001)}, read=child)
    assert len(read) == MAX_CHILDREN
    assert len(graph.nodes) == len(alone.nodes) + 3 * MAX_CHILDREN
    assert {edge.source for edge in graph.edges if edge.kind == "child"} == {"group:1"}


def test_a_child_that_may_not_be_seen_is_not_drawn() -> None:
    """The graph is the same as without it."""
    steps, _ = _family(1)
    alone = build_graph(RUN, steps)
    assert with_children(alone, steps, {"c1"}, read=lambda _: None) == alone
