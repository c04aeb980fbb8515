"""``durable mcp``: the dashboard's tools for an agent, over standard input and output."""

from __future__ import annotations

from importlib import resources

import click

from dashboard.cli.session import CliSession, connected


def _print_skill(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo((resources.files("dashboard.mcp") / "SKILL.md").read_text(encoding="utf-8"), nl=False)
        ctx.exit()


@click.command()
@click.option(
    "--skill",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_skill,
    help="Print a skill file that tells an agent how to use them, and exit.",
)
@connected(via="mcp", acting=True)
def mcp(session: CliSession) -> None:
    """Serve tools to an agent over MCP (stdio): reading ones, and actions where you are an operator.

    Directly on a database --role viewer offers no actions, and --may limits what is seen and done, as may= does in
    create_blueprint. At a URL the server decides by --token.

    Example: claude mcp add durable -- durable mcp --url http://127.0.0.1:8000/durable
    """
    from dashboard.mcp.server import create_server  # much to load, for this command alone
    from dashboard.read.service import package_version

    acts = "actions" in session.client.get_config().capabilities
    create_server(session.client, acts=acts, version=package_version()).run("stdio")
