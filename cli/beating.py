"""Heartbeats: a sign of life where nothing happens, so that a reader can tell a quiet market from a connection that is dead."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator

from cli.output import Record

WAITING_MAX = 1_000  # events that wait for the reader; the daemon's log keeps the rest


def beating(source: Iterable[Record], every_ms: int, beat: Callable[[], Record | None]) -> Iterator[Record]:
    """Everything that comes, and after so long without anything what `beat` has to say, if it has.

    The source is read in a thread of its own; what it raises is raised here.
    """
    news: queue.Queue[Record | BaseException | None] = queue.Queue(WAITING_MAX)

    def read() -> None:
        try:
            for record in source:
                news.put(record)
            news.put(None)
        except BaseException as error:
            news.put(error)

    threading.Thread(target=read, name="events", daemon=True).start()
    while True:
        try:
            item = news.get(timeout=every_ms / 1_000)
        except queue.Empty:
            found = beat()
            if found is not None:
                yield found
            continue
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item
        yield item
