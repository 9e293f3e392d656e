"""`oee daemon run`: the daemon in the foreground, for a service supervisor or a look at what it says."""

import os
import sys
from pathlib import Path

import typer

import order_engine
from cli.exits import Exit
from cli.session import Session


def run(context: typer.Context) -> Exit:
    """Run the daemon here, in the foreground.

    \b
      oee daemon run

    Ctrl-C or SIGTERM stops it. For systemd: ExecStart=oee daemon run
    """
    session = Session.of(context)
    sys.stdout.flush()
    root = session.home.config_dir.parent
    if os.environ.get("OEE_HOME"):
        os.environ["OEE_HOME"] = str(root)  # absolute, for the folder changes below
    if faults := os.environ.get("OEE_FAULTS"):
        os.environ["OEE_FAULTS"] = str(Path(faults).expanduser().absolute())  # likewise
    os.chdir(
        Path(order_engine.__file__).resolve().parent.parent
    )  # `-m daemon` is then ours and no folder of the caller's
    os.execv(sys.executable, [sys.executable, "-m", "daemon", "--foreground"])
