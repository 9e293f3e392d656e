"""`oee config show`: the settings that hold, and where each comes from."""

from typing import Annotated

import typer

from cli.exits import Exit
from cli.render import table
from cli.session import Session
from cli.settings_file import resolved


def show(
    context: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="With where each value comes from.")] = False,
) -> Exit:
    """Print the settings that hold.

    \b
      oee config show --origin
      oee config show --json

    config.toml, then the environment (oee help environment), over what is built in.
    """
    session = Session.of(context)
    output = session.output
    rows = [
        (key, "" if value is None else str(value), source) for key, value, source in resolved(session.home.config_file)
    ]
    if not output.human:
        for key, value, source in resolved(session.home.config_file):
            output.record({"schema": "oee.setting/1", "key": key, "value": value, "origin": source}, key)
        return Exit.OK
    columns = [("SETTING", "<"), ("VALUE", "<"), ("ORIGIN", "<")]
    output.show(table(columns if origin else columns[:2], (row if origin else row[:2] for row in rows)))
    return Exit.OK
