"""What a command is given: the home, the client, how to print. Made once per run; the client when it is first needed."""

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

import typer

from cli.output import Output
from order_engine.errors import Malformed
from order_engine.home import Home

if TYPE_CHECKING:
    from order_engine.client import Client


DETACHED = "Detached. The orders go on. Reattach: oee watch"  # what Ctrl-C comes to for those who watch or wait


class Session:
    """One run of the command line."""

    def __init__(self) -> None:
        self.output = Output()
        self.no_input = os.environ.get("OEE_NO_INPUT", "0") not in ("", "0")

    @staticmethod
    def of(context: typer.Context) -> "Session":
        """The session that this command runs in, its flags checked."""
        session = context.obj
        assert isinstance(session, Session)
        session.output.check()
        return session

    @cached_property
    def home(self) -> Home:
        """The home that is meant."""
        return Home.from_environment()

    @cached_property
    def client(self) -> "Client":
        """The daemon of this home, started on first use."""
        return self.client_for(autostart=True)

    def client_for(self, *, autostart: bool) -> "Client":
        """A client that starts the daemon, or one that only talks to a daemon that runs."""
        from order_engine.client import Client

        return Client(self.home, autostart, tell=self._tell)

    def _tell(self, text: str) -> None:
        self.output.say(text, terminal_only=True)

    def stdin(self, what: str) -> TextIO:
        """Standard input, to read `what` from. A person who would have to type it is told so, or spared with --no-input."""
        if sys.stdin is None:
            raise Malformed("Standard input is closed.", hint=f"Pipe the {what} in.")
        if sys.stdin.isatty():
            if self.no_input:
                raise Malformed("Standard input is a terminal, and --no-input is set.", hint=f"Pipe the {what} in.")
            self.output.say(f"Reading {what} from standard input; end with Ctrl-D.")
        return sys.stdin
