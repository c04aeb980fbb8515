"""``durable demo``: the shop of ``dashboard.demo``, from an installed wheel, without a clone."""

from __future__ import annotations

from pathlib import Path

import click

import dashboard.client  # noqa: F401 - where the extra that brings it is missing, the command says so
from dashboard.demo.newer_sqlite import use_newer_sqlite

NO_NEWER_SQLITE = 2


@click.command()
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 takes any free one.")
@click.option(
    "--db",
    default=Path(".demo"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the database.",
)
@click.option(
    "--trickle-s", default=4.0, show_default=True, type=click.FloatRange(min=0.01), help="Seconds between orders."
)
@click.option("--no-trickle", is_flag=True, help="Place no orders.")
def demo(*, port: int, db: Path, trickle_s: float, no_trickle: bool) -> None:
    """Run an online shop with its dashboard, to try everything on; Ctrl-C stops it."""
    try:
        use_newer_sqlite()  # before anything imports the engine
    except ModuleNotFoundError as error:
        click.echo(
            f"Error: {error.name} is not installed, and DBOS needs it on this system's SQLite. ", nl=False, err=True
        )
        click.echo("Install it: pip install 'durable-dashboard[demo]'", err=True)
        raise click.exceptions.Exit(NO_NEWER_SQLITE) from error
    from dashboard.demo.shop import run_shop

    run_shop(port=port, folder=db, trickle_s=None if no_trickle else trickle_s)
