"""The entry point of `oee`: the words of the command line in, an exit code out. Everything that can end a run ends here.

Imports only what every command needs; the commands themselves are in `commands/`, loaded one at a time.
"""

import atexit
import errno
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from cli.exits import Exit, of_code
from cli.lazy import LazyGroup
from cli.registry import COMMANDS
from cli.session import DETACHED, Session
from order_engine.errors import EngineError, Malformed

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

COMPLETE = "__complete"  # what a shell calls for completion; see completion.py

HELP = """Execute DEX orders: quote venues, route, execute, never pay twice.

\b
  oee submit SOL USDC 1.5 --wait     sell 1.5 SOL for USDC and wait for the outcome
  oee quote SOL USDC 1.5             compare the venues, place nothing
  oee list --status open             what is on its way
"""


def main() -> NoReturn:
    """Runs one command line and leaves with its exit code."""
    _leave(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs one command line. Prints what there is to say and returns the exit code; never raises an Exception."""
    signal.signal(signal.SIGTERM, _terminated)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a locale without a sign must not end the command
    session = Session()
    try:
        code = _answer(list(arguments), session)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _silence_stdout()
        return Exit.READER_LEFT
    except KeyboardInterrupt:
        _interrupted(session, arguments)
        return Exit.INTERRUPTED
    except OSError as error:
        _silence_stdout()
        if error.errno not in _DISK or error.filename is not None:
            return _bug(session, error, arguments)
        session.output.error(EngineError(f"The output could not be written: {error.strerror}."))
        return Exit.BUG
    except Exception as error:
        _silence_stdout()
        return _bug(session, error, arguments)
    finally:
        _flush_or_forget()


def _interrupted(session: Session, arguments: Sequence[str]) -> None:
    """What Ctrl-C means for those who only look, also before they have begun to: nothing happens to the orders."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    if command in ("watch", "wait"):
        session.output.say(DETACHED)


def _leave(code: int) -> NoReturn:
    """Ends the process at once. To take Python apart, module by module, would be a tenth of a short command's time."""
    if threading.active_count() == 1:  # somebody else may still be at work
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):  # `run` has said what could not be written
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _bug(session: Session, error: Exception, arguments: Sequence[str]) -> int:
    from cli.bug_report import report

    report(session, error, arguments)
    return Exit.BUG


def _answer(arguments: list[str], session: Session) -> int:
    try:
        return _invoke(arguments, session)
    except EngineError as error:
        session.output.error(error)
        return of_code(error.code)


def _invoke(arguments: list[str], session: Session) -> int:
    if arguments[:1] == [COMPLETE]:
        from cli.completion import complete

        return complete(arguments[1:])
    for word in arguments:
        if any("\udc80" <= sign <= "\udcff" for sign in word):  # how Python holds the bytes that it cannot read
            raise Malformed(f"{word[:40]!a} is not UTF-8.")
    oee = LazyGroup("oee", COMMANDS, HELP)
    try:
        with oee.make_context("oee", arguments, obj=session) as context:
            return int(oee.invoke(context) or Exit.OK)
    except typer.Exit as done:
        return done.exit_code
    except TyperException as error:  # a flag or an argument that is wrong
        if "--json" in arguments:  # it may stand behind the mistake, where it was not read any more
            session.output.json = True
        raise _usage_error(error) from error


def _usage_error(error: TyperException) -> Malformed:
    """The same refusal in our words: what is wrong, what may be meant, where to read."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    option = str(getattr(error, "option_name", ""))
    if option[1:2].isdigit():
        message = f"{option} stands where an option or a positive number such as 1.5 belongs."
    if message.endswith("is not a valid int range."):
        message = message.replace("a valid int range", "a whole number")
    if near := sorted(getattr(error, "possibilities", None) or ()):
        message = f"{error.message}. Did you mean {', '.join(near)}?"
    hint = f"{context.get_usage()}\nTry: {context.command_path} --help" if context is not None else None
    return Malformed(message, hint=hint, field=option or None)


def _terminated(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(Exit.TERMINATED)  # not the default action: a live view has to give the cursor back


def _flush_or_forget() -> None:
    """What a command that failed had printed. Nobody is left to tell when that cannot be written either."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        _silence_stdout()


def _silence_stdout() -> None:
    """Makes the flush at exit harmless: what is still buffered for a reader who left goes nowhere."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError, AttributeError):
        pass


if __name__ == "__main__":
    main()
