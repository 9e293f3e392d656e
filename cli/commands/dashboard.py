"""`oee dashboard`: the full-screen view."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exits import Exit
from cli.render import counted
from cli.session import Session
from order_engine.errors import Malformed

if TYPE_CHECKING:
    from order_engine.client import Client

SCREENS = ("orders", "venues", "wallet", "log")


def dashboard(
    context: typer.Context,
    readonly: Annotated[
        bool, typer.Option("--readonly", help="Look only: nothing can be placed or cancelled.")
    ] = False,
    theme: Annotated[
        str | None, typer.Option("--theme", metavar="NAME", help="oee-dark, oee-light, oee-contrast or another.")
    ] = None,
    screen: Annotated[
        str, typer.Option("--screen", metavar="NAME", help="Begin with orders, venues, wallet or log.")
    ] = "orders",
) -> Exit:
    """Show orders, venues, wallet and log full-screen, live.

    \b
      oee dashboard
      oee dashboard --readonly --theme oee-contrast
      oee dashboard --screen log

    ? lists the keys there, and: oee help keys, which says too how to change them. Leaving it leaves the daemon and
    the orders running.
    """
    session = Session.of(context)
    if screen not in SCREENS:
        raise Malformed(f"--screen {screen[:20]!a} is none of {', '.join(SCREENS)}.", field="--screen")
    output = session.output  # the screen is drawn on standard error
    seen = sys.stdin is not None and sys.stdin.isatty() and output.out.terminal and output.err.terminal
    if not seen or output.out.dumb:
        raise Malformed("dashboard needs a terminal; use: oee watch")
    from cli.dashboard.link import reachable

    reachable(session.client_for(autostart=True))
    os.environ.setdefault("ESCDELAY", "25")  # ms until esc is taken for a key of its own; keys answer within 100
    if not os.environ.get("NO_COLOR"):
        os.environ.pop("NO_COLOR", None)  # Textual obeys an empty one too
    from cli.dashboard import keymap
    from cli.dashboard.app import Dashboard

    other_keys = keymap.read(keymap.file_of(session.home))
    app = Dashboard(lambda: _client(session), readonly, theme, screen, other_keys=other_keys)
    if theme is not None and theme not in app.available_themes:
        raise Malformed(f"No theme {theme[:30]!a}.", field="--theme", hint=f"Known: {', '.join(app.available_themes)}")
    app.run()
    if app.trouble is not None:
        raise app.trouble
    count = app.desk.open_count
    going = f" and {counted(count, 'open order')}" if count else ""
    session.output.say(f"Left the dashboard; the daemon{going} go{'' if count else 'es'} on.")
    return Exit.OK


def _client(session: Session) -> "Client":
    from order_engine.client import Client

    return Client(session.home, tell=lambda _: None)
