"""`oee daemon start`: a daemon that answers, whether it had to be started or not."""

import typer

from cli.exits import Exit
from cli.session import Session
from order_engine.autostart import ensure
from order_engine.client import find_daemon


def start(context: typer.Context) -> Exit:
    """Start the daemon and wait until it answers.

    \b
      oee daemon start
      oee daemon start --field url

    Any command starts it too, unless OEE_AUTOSTART=0.
    """
    session = Session.of(context)
    output = session.output
    before = find_daemon(session.home)
    daemon = ensure(session.home, lambda text: output.say(text))
    if before is not None and before.pid == daemon.pid:
        output.say(f"The daemon is running already (pid {daemon.pid}).")
    record = session.client_for(autostart=False).daemon()
    if not output.record(record, record["pid"]):
        output.line(record["url"])
    return Exit.OK
