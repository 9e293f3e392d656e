"""`oee version`."""

import typer

from cli.exits import Exit
from cli.session import Session
from order_engine import __version__


def version(context: typer.Context) -> Exit:
    """Print the version.

    \b
      oee version
      oee version --json      # with Python, platform and folders, for a report
    """
    session = Session.of(context)
    output = session.output
    if output.human or output.quiet:
        output.line(f"oee {__version__}" if output.human else __version__)
        return Exit.OK
    import platform
    import sqlite3
    from importlib import metadata

    from cli.checkup import LIBRARIES

    output.record(
        {
            "schema": "oee.version/1",
            "version": __version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "libraries": {name: metadata.version(name) for name in LIBRARIES} | {"sqlite": sqlite3.sqlite_version},
            "home": session.home.name,
        }
    )
    return Exit.OK
