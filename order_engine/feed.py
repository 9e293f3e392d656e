"""What was committed goes out from here, to whoever listens. Nothing is ever published that is not on disk."""

import logging
import threading
from collections.abc import Callable, Sequence

from order_engine.events import Recorded
from order_engine.failpoints import failpoint

BATCH = 1_024  # events of one commit, at most

Listener = Callable[[Sequence[Recorded]], None]

_log = logging.getLogger(__name__)


class Feed:
    """Calls each listener with everything that one commit made true, in the order of `seq`, from the writer's thread.

    A listener must return at once: it stands between one commit and the next. One that raises is logged and stays.
    """

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()
        self._changing = threading.Lock()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Adds a listener for all later commits. Returns the call that takes it off again."""
        with self._changing:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._changing:
                self._listeners = tuple(other for other in self._listeners if other is not listener)

        return unsubscribe

    def publish(self, recorded: Sequence[Recorded]) -> None:
        """Tells every listener. Only the journal calls this, after its commit."""
        for listener in self._listeners:
            try:
                listener(recorded)
            except Exception:
                _log.exception("a listener failed")
            failpoint("mid-publish")
