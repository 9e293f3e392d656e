"""`oee status`: how the engine is doing, in a few lines."""

import typer

from cli import durations
from cli.exits import Exit
from cli.output import Record
from cli.paint import Line, Paint
from cli.session import Session


def status(context: typer.Context) -> Exit:
    """Show how the engine is doing.

    \b
      oee status
      oee status --json
      oee status --field open
    """
    session = Session.of(context)
    output = session.output
    record = session.client.status()
    if not output.record(record, record["status"]):
        where = session.client.daemon()["url"]
        output.show(_lines(record, where, output.out))
    return Exit.OK


def _lines(record: Record, where: str, paint: Paint) -> list[Line]:
    good = record["status"] == "ok"
    state = ("ok" if good else "warn", f"{paint.symbol('ok' if good else 'warn')} {record['status']}")
    oldest = f", oldest {durations.short(record['oldestOpenMs'])}" if record.get("oldestOpenMs") is not None else ""
    today = ", ".join(f"{count} {name}" for name, count in record["today"].items())
    lines: list[Line] = [
        [
            ("daemon   ", "dim"),
            (f"{record['version']} ", ""),
            (state[1], state[0]),
            (f", up {durations.short(record['uptimeMs'])}  {where}", ""),
        ],
        [("market   ", "dim"), (f"simulated, {record['speed']} speed, height {record['height']}", "")],
        [("open     ", "dim"), (f"{record['open']}{oldest}", "")],
    ]
    if record.get("halted"):
        lines.append([("halted   ", "dim"), ("nothing is accepted or sent: oee resume", "warn")])
    if record.get("unknown"):
        lines.append(
            [("unknown  ", "dim"), (f"{record['unknown']}: sent, and no answer yet; never resend these", "unknown")]
        )
    lines.append([("today    ", "dim"), (today, "")])
    lines.append([("log      ", "dim"), (f"{record['seq']} events, {record['queue']} orders queued", "")])
    return lines
