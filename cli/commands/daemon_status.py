"""`oee daemon status`: whether one runs, and all that a program in another language needs to talk to it."""

import typer

from cli import durations, times
from cli.exits import Exit
from cli.session import Session


def status(context: typer.Context) -> Exit:
    """Say whether the daemon runs, and where.

    \b
      oee daemon status
      oee daemon status --json
      curl -H @"$(oee config path auth-header)" "$(oee daemon status --field url)/api/orders"

    Does not start one: exit 9 when none runs.
    """
    session = Session.of(context)
    output = session.output
    record = session.client_for(autostart=False).daemon()
    if output.record(record, record["pid"]):
        return Exit.OK
    up = durations.short(times.now_ms() - times.ms_of(record["startedAt"]))
    output.show(
        [
            [
                ("daemon   ", "dim"),
                (f"{record['version']} ", ""),
                (f"{output.out.symbol('ok')} runs", "ok"),
                (f", pid {record['pid']}, up {up}", ""),
            ],
            [("url      ", "dim"), (record["url"], "")],
            [("home     ", "dim"), (record["home"], "")],
            [("token    ", "dim"), (record["tokenFile"], "")],
        ]
    )
    return Exit.OK
