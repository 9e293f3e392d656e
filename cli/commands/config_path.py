"""`oee config path`: where everything is."""

from pathlib import Path
from typing import Annotated

import typer

from cli import choices
from cli.dashboard.keys import KEYMAP
from cli.exits import Exit
from cli.render import table
from cli.session import Session
from order_engine.home import Home


def path(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Only this one, such as config or auth-header.")
    ] = None,
) -> Exit:
    """Print where the files of this home are.

    \b
      oee config path
      oee config path config
      curl -H @"$(oee config path auth-header)" "$(oee daemon status --field url)/api/status"
    """
    session = Session.of(context)
    output = session.output
    found = paths(session.home)
    if name is not None:
        found = {name: found[choices.one_of(name, found, "NAME")]}
    if output.human and name is None:
        output.show(table([("NAME", "<"), ("PATH", "<")], ([key, str(value)] for key, value in found.items())))
        return Exit.OK
    for key, value in found.items():
        if not output.record({"schema": "oee.path/1", "name": key, "path": str(value)}, value):
            output.line(str(value))
    return Exit.OK


def paths(home: Home) -> dict[str, Path]:
    """Every file and folder of a home, by the name that the command line gives it."""
    return {
        "config": home.config_file,
        "keymap": home.config_file.with_name(KEYMAP),
        "forward-secret": home.config_file.with_name("forward-secret"),
        "journal": home.journal,
        "chain": home.chain,
        "queue": home.queue,
        "daemon": home.daemon_file,
        "token": home.token_file,
        "auth-header": home.auth_header_file,
        "log": home.log_file,
        "data": home.data_dir,
    }
