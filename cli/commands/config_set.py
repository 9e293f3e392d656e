"""`oee config set`: one setting, checked before it is written."""

from typing import Annotated

import typer

from cli.exits import Exit
from cli.session import Session
from cli.settings_file import change, resolved
from order_engine.client import find_daemon


def set_(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="A setting; oee config show names them.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Its new value.")],
) -> Exit:
    """Change a setting in config.toml.

    \b
      oee config set speed instant
      oee config set slippage_bps 80

    Comments in the file stay. A value that cannot be used is refused, and the file is left as it is.
    """
    session = Session.of(context)
    output = session.output
    session.home.make()
    change(session.home.config_file, key, value)
    found = next(setting for setting in resolved(session.home.config_file) if setting[0] == key)
    record = {"schema": "oee.setting/1", "key": key, "value": found[1], "origin": found[2]}
    if not output.record(record, key):
        output.say(f"{key} = {value} in {session.home.config_file}")
    if found[2] != str(session.home.config_file):
        output.say(f"But {found[2]} holds now: it is set in the environment, and is {found[1]}.")
    if find_daemon(session.home) is not None:
        output.say("The daemon that runs has read its settings already. Make them hold: oee daemon restart")
    return Exit.OK
