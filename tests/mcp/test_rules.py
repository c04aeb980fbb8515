"""Confirm tokens and small answers, without a server."""

from __future__ import annotations

import json
import re

import pytest
from click import Context

from dashboard.cli.main import durable
from dashboard.mcp.answers import MAX_TEXT_CHARS, cut, run_answer
from dashboard.mcp.confirm import MOST, TTL_S, Confirmations, NotConfirmedError, UsedTokens
from dashboard.wire.convert import run_row, step_view
from dashboard.wire.runs import RunDetail
from otel_bridge.codec import Codec
from otel_bridge.model.steps import StepStatus
from otel_bridge.runs.presence import presence
from otel_bridge.testing import make_run, make_step
from tests.cli.conftest import run_durable
from tests.mcp.test_server import ACT, READ


def test_a_token_confirms_once_what_it_was_given_for() -> None:
    """The same action, arguments and state; in any order of keys."""
    confirmations = Confirmations()
    token = confirmations.issue("cancel", {"runId": "a", "undo": True}, {"status": "running"})
    confirmations.take(token, "cancel", {"undo": True, "runId": "a"}, {"status": "running"})
    with pytest.raises(NotConfirmedError, match="used"):
        confirmations.take(token, "cancel", {"undo": True, "runId": "a"}, {"status": "running"})


@pytest.mark.parametrize(
    ("action", "arguments", "status", "says"),
    [
        ("retry", {"runId": "a"}, "running", "another action"),
        ("cancel", {"runId": "b"}, "running", "other arguments"),
        ("cancel", {"runId": "a", "undo": True}, "running", "other arguments"),
        ("cancel", {"runId": "a"}, "failed", "changed since"),
    ],
)
def test_a_token_confirms_nothing_else(action: str, arguments: dict[str, object], status: str, says: str) -> None:
    """And is used up by the attempt."""
    confirmations = Confirmations()
    token = confirmations.issue("cancel", {"runId": "a"}, {"status": "running"})
    with pytest.raises(NotConfirmedError, match=says):
        confirmations.take(token, action, arguments, {"status": status})  # type: ignore[arg-type]
    with pytest.raises(NotConfirmedError, match="used"):
        confirmations.take(token, "cancel", {"runId": "a"}, {"status": "running"})


def test_tokens_grow_old() -> None:
    """Ten minutes."""
    now = [0.0]
    confirmations = Confirmations(clock=lambda: now[0])
    token, old = confirmations.issue("retry", {}, None), confirmations.issue("retry", {}, None)
    now[0] = TTL_S
    confirmations.take(token, "retry", {}, None)
    now[0] = TTL_S + 1
    with pytest.raises(NotConfirmedError, match="ten minutes"):
        confirmations.take(old, "retry", {}, None)


def test_used_tokens_do_not_pile_up() -> None:
    """The oldest are forgotten: they are out of time by then."""
    is_first_use = UsedTokens()
    assert [is_first_use("a"), is_first_use("a")] == [True, False]
    for number in range(MOST):
        is_first_use(str(number))
    assert len(is_first_use._used) == MOST


@pytest.mark.parametrize("whose", ["other secret", "other user", "changed", "cut", "longer", "no base64", "empty"])
def test_a_token_that_was_not_given_out_here_is_unknown(whose: str) -> None:
    """Nobody makes one up, takes another's, or changes one."""
    confirmations = Confirmations(secret=lambda: "s", who=lambda: "ada")
    token = confirmations.issue("retry", {}, None)
    others = {
        "other secret": Confirmations(secret=lambda: "t", who=lambda: "ada").issue("retry", {}, None),
        "other user": Confirmations(secret=lambda: "s", who=lambda: "bob").issue("retry", {}, None),
        "changed": ("B" if token[20] == "A" else "A").join((token[:20], token[21:])),
        "cut": token[:-4],
        "longer": token + "AAAA",
        "no base64": "é" * len(token),
        "empty": "",
    }
    with pytest.raises(NotConfirmedError, match="unknown"):
        confirmations.take(others[whose], "retry", {}, None)
    confirmations.take(token, "retry", {}, None)


def test_processes_that_share_a_secret_take_each_others_tokens_once() -> None:
    """And what says that one was used is shared too."""
    used = UsedTokens()
    one, two = (Confirmations(secret=lambda: "s", is_first_use=used) for _ in range(2))
    token = one.issue("retry", {"runId": "a"}, None)
    two.take(token, "retry", {"runId": "a"}, None)
    with pytest.raises(NotConfirmedError, match="used"):
        one.take(token, "retry", {"runId": "a"}, None)


def test_a_long_payload_is_cut_and_says_so() -> None:
    """A small one is left as it is."""
    assert cut({"a": [1, None]}) == {"a": [1, None]}
    long = cut("x" * 10_000)
    assert isinstance(long, dict)
    assert len(json.dumps(long)) < MAX_TEXT_CHARS + 100
    assert long["chars"] == 10_002


@pytest.mark.parametrize("status", ["failed", "cancelled", "dead", "interrupted"])
def test_an_early_step_without_a_result_is_named_before_the_last_ones(status: StepStatus) -> None:
    """A child that is dead, too: it is why the run failed."""
    timeline = [step_view(make_step(seq=seq, status=status if seq == 0 else "completed")) for seq in range(5)]
    run = run_row(make_run(status="failed"), seen=presence([], 0), codec=Codec())
    detail = RunDetail.model_construct(run=run, timeline=timeline, steps_total=5, children=[])
    answer = run_answer(detail, last=2)
    assert [step["seq"] for step in answer["failedSteps"]] == [0]
    assert [step["seq"] for step in answer["lastSteps"]] == [3, 4]


def test_the_skill_names_tools_and_commands_that_exist() -> None:
    """It comes with the package: ``durable mcp --skill``."""
    done = run_durable("mcp", "--skill")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("---\nname: durable-workflows\ndescription: ")
    tools = set(re.findall(r"`((?:list|show|act)_\w+|overview)\b", done.out))
    assert tools <= READ | ACT
    assert tools >= {"overview", "list_runs", "show_run", "show_step", "show_payload", "act_on_runs"}
    for command in re.findall(r"`durable (\w+)", done.out):
        assert command in durable.list_commands(Context(durable))
