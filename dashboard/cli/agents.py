"""``durable mcp``: the dashboard's tools for an agent, over standard input and output."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import click

from dashboard.cli.session import Session, connected
from otel_bridge.extras import DISTRIBUTION


@click.command()
@connected(via="mcp", acting=True)
def mcp(session: Session) -> None:
    """Serve tools to an agent over MCP (stdio): reading ones, and actions where you are an operator.

    Directly on a database --role viewer offers no actions, and --may limits what is seen and done, as may= does in
    create_blueprint. At a URL the server decides by --token.

    Example: claude mcp add durable -- durable mcp --url http://127.0.0.1:8000/durable
    """
    from dashboard.mcp.server import create_server  # much to load, for this command alone

    try:
        found = version(DISTRIBUTION)
    except PackageNotFoundError:
        found = ""
    create_server(session.client, version=found).run("stdio")
