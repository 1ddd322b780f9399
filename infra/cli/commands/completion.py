"""completion: what a shell must know to complete commands, options and jobs."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that makes a shell complete commands, options, and jobs by id and name.

    \b
    bash:  source <(eventrain completion bash)            in ~/.bashrc
    zsh:   source <(eventrain completion zsh)             in ~/.zshrc, after compinit
    fish:  eventrain completion fish | source             in ~/.config/fish/config.fish
    """
    found = get_completion_class(shell)
    assert found is not None, "click knows all three"
    root = context.find_root()
    made = found(root.command, {}, "eventrain", "_EVENTRAIN_COMPLETE")
    # Not bash's own: that one starts bash to ask for its version.
    click.echo(ShellComplete.source(made))
