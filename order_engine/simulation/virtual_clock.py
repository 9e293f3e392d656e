"""The time of a simulated world. It stands still until the world moves it."""

WALL_START_MS = 1_790_000_000_000


class VirtualClock:
    """See `clock.Clock` for what it promises. `now` is virtual time; wall time is that, and jumps by `wall_offset`."""

    __slots__ = ("now", "wall_offset")

    def __init__(self) -> None:
        self.now = 0
        self.wall_offset = 0

    def now_ms(self) -> int:
        """Wall time, which jumps."""
        return WALL_START_MS + self.now + self.wall_offset

    def steady_ms(self) -> float:
        """Virtual time."""
        return self.now

    def sleep_ms(self, duration_ms: float) -> None:
        """Virtual time passes in `World.run`, never in a call."""
