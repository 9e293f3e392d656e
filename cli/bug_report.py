"""What happens when the command line itself is wrong: no traceback on the screen, a file with everything that helps to mend it."""

import platform
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from cli.session import Session
from order_engine import __version__
from order_engine.clock import SystemClock, timestamp


def report(session: Session, error: Exception, arguments: Sequence[str]) -> None:
    """Writes a report into the folder of the logs and says in one line where it is."""
    frames = traceback.extract_tb(error.__traceback__)
    place = Path(frames[-1].filename).stem if frames else "oee"
    text = "".join(traceback.format_exception(error))
    summary = f"Unexpected error ({type(error).__name__} in {place})."
    try:
        path = _write(session, arguments, text)
    except OSError as trouble:
        print(f"{summary} The details could not be written ({trouble}):\n{text}", file=sys.stderr)
        return
    if session.output.json:
        from order_engine.errors import EngineError

        session.output.error(EngineError(summary, hint=f"Details: {path}"))
        return
    print(f"{summary} Details: {path}", file=sys.stderr)


def _write(session: Session, arguments: Sequence[str], text: str) -> Path:
    now = timestamp(SystemClock().now_ms())
    folder = session.home.log_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"crash-{now.replace(':', '').replace('.', '')}.log"
    path.write_text(
        f"oee {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"at {now}: oee {' '.join(map(ascii, arguments))}\n\n{text}",
        "utf-8",
    )
    path.chmod(0o600)
    return path
