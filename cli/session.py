"""What a command is given: the home, the client, how to print. Made once per run; the client when it is first needed."""

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING

import typer

from cli.output import Output
from order_engine.home import Home

if TYPE_CHECKING:
    from order_engine.client import Client


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

    @property
    def stdin_is_terminal(self) -> bool:
        """True when a person would have to type what is read from standard input."""
        return sys.stdin is None or sys.stdin.isatty()
