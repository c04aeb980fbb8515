"""``durable completion``: what a shell needs to complete commands, options, statuses and run ids."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  eval "$(durable completion bash)"              in ~/.bashrc
    zsh:   eval "$(durable completion zsh)"               in ~/.zshrc
    fish:  durable completion fish | source               in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    click.echo(kind(ctx.find_root().command, {}, "durable", "_DURABLE_COMPLETE").source())
