"""The deciding modules, the tests that are to notice a change in each, and the changes that no test can notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Target:
    """A module, and the tests that are to notice what changes in it."""

    module: str
    tests: tuple[str, ...]


_ACTIONS = tuple(f"tests/actions/test_{name}.py" for name in ("rules", "retry_rules", "bulk_rules", "permission"))
_LEDGER = ("tests/ledger/test_contract.py", "tests/ledger/test_damage.py")
TARGETS = {
    # the ten areas that decide
    "rewind": Target("dashboard/actions/rewind.py", _ACTIONS),
    "retry": Target("dashboard/actions/retry.py", (*_ACTIONS, "tests/actions/test_locks.py")),
    "locks": Target("dashboard/actions/locks.py", ("tests/actions/test_locks.py",)),
    "bulk": Target("dashboard/actions/bulk.py", (*_ACTIONS, "tests/routes/test_bulk.py")),
    "retention": Target("dashboard/caretaker/retention.py", ("tests/caretaker/test_retention.py",)),
    "filters": Target("dashboard/wire/filters.py", ("tests/wire", "tests/read/test_same_runs.py")),
    "delivery": Target(
        "otel_bridge/otlp/delivery.py", ("tests/otlp/test_delivery_rules.py", "tests/otlp/test_delivery.py")
    ),
    "lives": Target("otel_bridge/spans/lives.py", ("tests/spans",)),
    "fold": Target("otel_bridge/store/steps.py", ("tests/store/test_steps.py", "tests/store/test_contract.py")),
    "derive": Target("otel_bridge/store/waiting.py", ("tests/store/test_contract.py", "tests/store/test_steps.py")),
    "auth": Target("dashboard/http/auth/__init__.py", ("tests/http/test_auth_rules.py",)),
    "origin": Target("dashboard/http/auth/origin.py", ("tests/http/test_origin_rules.py",)),
    "auth_tokens": Target(
        "dashboard/http/auth/tokens.py", ("tests/http/test_token_rules.py", "tests/http/test_tokens.py")
    ),
    "hub": Target("dashboard/live/hub.py", ("tests/live/test_hub_rules.py", "tests/live/test_hub.py")),
    "ring": Target("dashboard/live/ring.py", ("tests/live/test_ring.py",)),
    "subscription": Target("dashboard/live/subscription.py", ("tests/live/test_subscription.py",)),
    "ledger": Target(
        "otel_bridge/ledger/tables/exports.py",
        (*_LEDGER, "tests/ledger/test_sidecar.py::test_pages_of_what_was_forgotten_are_given_back"),
    ),
    "leases": Target("otel_bridge/ledger/tables/leases.py", ("tests/ledger/test_leases.py",)),
    # what came after
    "guard": Target("dashboard/caretaker/guard.py", ("tests/caretaker/test_guard_rules.py",)),
    "blocked": Target("otel_bridge/runs/blocked.py", ("tests/runs/test_blocked.py", "tests/runs/test_presence.py")),
    "placement": Target("otel_bridge/runs/placement.py", ("tests/runs/test_blocked.py",)),
    "step_check": Target("otel_bridge/runs/step_check.py", ("tests/runs/test_blocked.py",)),
    "allowed": Target(
        "otel_bridge/runs/allowed.py", ("tests/runs/test_allowed.py", "tests/actions/test_bulk_rules.py")
    ),
    "versions": Target("dashboard/read/versions.py", ("tests/read/test_versions.py",)),
    "tokens": Target("dashboard/workflow/tokens.py", ("tests/workflow/test_tokens.py",)),
}

NAMED: tuple[tuple[str, str, str], ...] = (
    # the age of a policy is ignored
    ("retention", "ended_ms <= now_ms - policy.older_than_s * 1000", "True"),
    # an undone run is retried, in bulk too
    ("allowed", "run.status in RETRIABLE_STATUSES and not undone", "run.status in RETRIABLE_STATUSES"),
    # Host: evil-localhost
    ("auth", 'name.endswith(".localhost")', 'name.endswith("localhost")'),
    # a lease is released with a token that another's has followed
    ("leases", 'AND token = :token\n"""\nHOLDER', '\n"""\nHOLDER'),
    # a back-off that never grows
    ("delivery", "2.0 ** min(attempt, 30)", "2.0"),
    # no second look at the run under its lock, and none at whether it was undone meanwhile
    ("retry", "            run = ctx.run(run_id)\n", "            run = run if tried else ctx.run(run_id)\n"),
    ("retry", 'refuse_undone(ctx, run, "retried")', 'tried or refuse_undone(ctx, run, "retried")'),
)
"""Target, a piece of its module, what it becomes: changes that tests once let pass."""

EXPLAINED: dict[str, str] = {
    "rewind: rewind_point: recorded_at(step) < recorded_at(together): Lt -> LtE": (
        "Two steps are never recorded under one number, so the only equal one is the step itself."
    ),
    "retry: _ended_children: if ended.run.status != 'failed':: if False": (
        "A run that did not fail is rewound to behind its last step, so that none of its steps is wanted again."
    ),
}
"""``target: function: text: change`` -> why no test notices it. Neither tried nor counted, and gone with its line."""
