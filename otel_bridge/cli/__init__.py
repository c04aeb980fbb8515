"""The ``otel-bridge`` command: export, backfill, doctor. Reads the environment; prints; handles SIGTERM and SIGINT.

Every option can be given by the environment too. Exit codes: 0 done, or stopped by a signal; 1 ``doctor`` found
something, or a backfill was stopped before its end; 2 the configuration is wrong, or an extra is not installed; 3 the
state store or the ledger cannot be used.
"""

from __future__ import annotations

import click

from otel_bridge.cli.commands import backfill_, doctor, export


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
def otel_bridge() -> None:
    """Runs and steps of durable workflows as OpenTelemetry traces."""


for _command in (export, backfill_, doctor):
    otel_bridge.add_command(_command)


def main() -> None:
    """Run the command and end the process with its exit code."""
    otel_bridge(prog_name="otel-bridge")
